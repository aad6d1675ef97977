//! Masks and measures of label maps.

use hrvit_camera::{ClassExtent, ClassSet, Region};

use crate::answer::answer;
use crate::camera_structs::*;
use crate::failure::Failure;
use crate::lent;
use crate::memory::{Apart, put, shared, unique};
use crate::status::*;
use crate::structs::hrvit_error;

/// Makes a mask of the `classes_count` classes: a bit for each label, the first of a row in the
/// highest bit of the row's first byte. Each row begins with a byte of its own: `bits_bytes` is
/// `(width + 7) / 8` for each of the `labels_bytes / width` rows.
///
/// Errors: `HRVIT_ERROR_NULL`, `_SIZE` (`labels_bytes` is no multiple of `width`, or `bits_bytes`
/// another number), `_OVERLAP`.
///
/// Thread-safety: any thread, any time.
///
/// ```c
/// const uint8_t people[] = {9, 10};
/// status = hrvit_labels_mask(labels, info.label_bytes, info.width, people, 2, bits, bits_bytes,
/// &error);
/// ```
///
/// # Safety
/// Pointers are NULL or lead to what is described.
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hrvit_labels_mask(
    labels: *const u8,
    labels_bytes: usize,
    width: u32,
    classes: *const u8,
    classes_count: usize,
    bits: *mut u8,
    bits_bytes: usize,
    error: *mut hrvit_error,
) -> hrvit_status {
    let call = || {
        let (width, rows) = rows_of(labels_bytes, width)?;
        let row = width.div_ceil(8);
        let needed = rows.saturating_mul(row);
        if bits_bytes != needed {
            return Err(Failure::number(HRVIT_ERROR_SIZE, "bits_bytes", bits_bytes, needed));
        }
        let mut apart = Apart::default();
        lent::register()?.check(apart.add("labels", labels, labels_bytes)?, false)?;
        lent::register()?.check(apart.add("classes", classes, classes_count)?, false)?;
        lent::register()?.check(apart.add("bits", bits, bits_bytes)?, true)?;
        // SAFETY: the caller vouches for the buffers, which do not overlap.
        let (labels, classes, bits) =
            unsafe { (shared("labels", labels, labels_bytes)?, shared("classes", classes, classes_count)?, unique("bits", bits, bits_bytes)?) };
        let set = ClassSet::of(classes);
        for (labels, bits) in labels.chunks(width.max(1)).zip(bits.chunks_mut(row.max(1))) {
            set.mask(labels, bits).map_err(|_| Failure::of(HRVIT_ERROR_INTERNAL))?;
        }
        Ok(())
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { answer(error, call) }
}

/// Writes the runs of labels of the `classes_count` classes to `runs`, in their order, as many as
/// `runs_count` has room for, and how many there are to `found_count`. A run may go on in the next
/// row. `runs` may be NULL where `runs_count` is 0: then they are only counted.
///
/// Errors: `HRVIT_ERROR_NULL`, `_ALIGNMENT`, `_OVERLAP`; `_SIZE` if there are more runs than room:
/// those that fit and `found_count` are written all the same.
///
/// Thread-safety: any thread, any time.
///
/// ```c
/// size_t found;
/// hrvit_label_run runs[64];
/// status = hrvit_labels_runs(labels, info.label_bytes, people, 2, runs, 64, &found, &error);
/// ```
///
/// # Safety
/// Pointers are NULL or lead to what is described.
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hrvit_labels_runs(
    labels: *const u8,
    labels_bytes: usize,
    classes: *const u8,
    classes_count: usize,
    runs: *mut hrvit_label_run,
    runs_count: usize,
    found_count: *mut usize,
    error: *mut hrvit_error,
) -> hrvit_status {
    let call = || {
        let mut apart = Apart::default();
        lent::register()?.check(apart.add("labels", labels, labels_bytes)?, false)?;
        lent::register()?.check(apart.add("classes", classes, classes_count)?, false)?;
        lent::register()?.check(apart.add("runs", runs, runs_count)?, true)?;
        lent::register()?.check(apart.add("found_count", found_count, 1)?, true)?;
        // SAFETY: the caller vouches for the buffers, which do not overlap.
        let (labels, classes) = unsafe { (shared("labels", labels, labels_bytes)?, shared("classes", classes, classes_count)?) };
        let room: &mut [hrvit_label_run] = if runs.is_null() && runs_count == 0 {
            &mut []
        } else {
            // SAFETY: as above.
            unsafe { unique("runs", runs, runs_count)? }
        };
        let mut found = 0usize;
        let mut room = room.iter_mut();
        for run in ClassSet::of(classes).runs(labels) {
            found += 1;
            if let Some(own) = room.next() {
                *own = hrvit_label_run { start: run.start, length: run.length };
            }
        }
        // SAFETY: as above.
        unsafe { put("found_count", found_count, found)? };
        if runs_count != 0 && found > runs_count {
            return Err(Failure::number(HRVIT_ERROR_SIZE, "runs_count", runs_count, found));
        }
        Ok(())
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { answer(error, call) }
}

/// Writes area and bounding box of classes 0 to `extents_count - 1` to `extents`, in rows of
/// `width` labels.
///
/// Errors: `HRVIT_ERROR_NULL`, `_ALIGNMENT`, `_OVERLAP`, `_SIZE` (`labels_bytes` is no multiple of
/// `width`).
///
/// Thread-safety: any thread, any time.
///
/// ```c
/// hrvit_extent extents[11];
/// if (hrvit_labels_extents(labels, info.label_bytes, info.width, extents, 11, &error) == HRVIT_OK)
///     printf("%zu pixels of road\n", extents[3].pixels);
/// ```
///
/// # Safety
/// Pointers are NULL or lead to what is described.
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hrvit_labels_extents(
    labels: *const u8,
    labels_bytes: usize,
    width: u32,
    extents: *mut hrvit_extent,
    extents_count: usize,
    error: *mut hrvit_error,
) -> hrvit_status {
    let call = || {
        let (width, _) = rows_of(labels_bytes, width)?;
        let mut apart = Apart::default();
        lent::register()?.check(apart.add("labels", labels, labels_bytes)?, false)?;
        lent::register()?.check(apart.add("extents", extents, extents_count)?, true)?;
        // SAFETY: the caller vouches for the buffers, which do not overlap.
        let (labels, extents) = unsafe { (shared("labels", labels, labels_bytes)?, unique("extents", extents, extents_count)?) };
        extents.fill(hrvit_extent::default());
        for (y, row) in labels.chunks(width.max(1)).enumerate() {
            for (label, run) in ClassExtent::runs(y, row) {
                if let Some(extent) = extents.get_mut(usize::from(label)) {
                    let mut counted = extent.counted();
                    counted.add(run);
                    *extent = counted.into();
                }
            }
        }
        Ok(())
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { answer(error, call) }
}

impl hrvit_extent {
    /// As the camera crate counts.
    fn counted(&self) -> ClassExtent {
        let [y, x, height, width] = [self.y, self.x, self.height, self.width].map(|side| side as usize);
        ClassExtent { pixels: self.pixels, bounds: (self.pixels > 0).then_some(Region { y, x, height, width }) }
    }
}

impl From<ClassExtent> for hrvit_extent {
    fn from(ClassExtent { pixels, bounds }: ClassExtent) -> Self {
        let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        let [x, y, width, height] = bounds.map_or([0; 4], |bounds| [bounds.x, bounds.y, bounds.width, bounds.height].map(side));
        Self { pixels, x, y, width, height }
    }
}

/// Labels of a row, and rows.
fn rows_of(labels: usize, width: u32) -> Result<(usize, usize), Failure> {
    let width = width as usize;
    match labels.checked_rem(width) {
        Some(0) => Ok((width, labels.checked_div(width).unwrap_or(0))),
        _ => Err(Failure::number(HRVIT_ERROR_SIZE, "labels_bytes: not a number of rows of so many labels", labels, width)),
    }
}
