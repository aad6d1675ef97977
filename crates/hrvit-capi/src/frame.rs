//! Frames: labels, margins, logits and classes.

use core::ffi::c_void;

use hrvit_core::{Head, Logit, NoObserver, Observer, Ranked, RunError, Segmentation};

use crate::answer::answer;
use crate::engine::{OpenEngine, Workers, take};
use crate::failure::{Failure, RowFailed};
use crate::lent;
use crate::memory::{Apart, shared, unique};
use crate::model::margin_shift_of;
use crate::observer::Steps;
use crate::sized::{self, only_flags};
use crate::status::*;
use crate::structs::*;

/// Segments one frame: a class for every pixel; on request margins and logits, in the same pass.
///
/// `frame` and `results` say where the pixels are and where the results go; `options` may be NULL.
/// After an error the contents of the result buffers mean nothing.
///
/// Takes: in proportion to `macs` of the plan; docs/performance.md has figures.
///
/// Errors: `HRVIT_ERROR_HANDLE`, `_BUSY` (the engine runs another frame; without
/// `HRVIT_FEATURE_STD` also another task that is inside the library), `_NULL`, `_ALIGNMENT`,
/// `_SIZE`, `_OVERLAP`, `_STRUCT_SIZE`, `_ARGUMENT` (format, shift, flags), `_HEAD` (the model is a
/// classifier), `_STOPPED`.
///
/// Thread-safety: one frame at a time per engine; any thread. Frames of different engines may run
/// at once.
///
/// ```c
/// hrvit_frame frame = HRVIT_INIT(hrvit_frame);
/// frame.pixels = rgb;
/// frame.bytes = info.frame_bytes;
/// hrvit_segmentation results = HRVIT_INIT(hrvit_segmentation);
/// results.labels = labels;
/// results.labels_bytes = info.label_bytes;
/// hrvit_status status = hrvit_engine_segment(engine, &frame, &results, NULL, &error);
/// ```
///
/// # Safety
/// Pointers are NULL or lead to what is described.
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hrvit_engine_segment(
    engine: *mut hrvit_engine,
    frame: *const hrvit_frame,
    results: *const hrvit_segmentation,
    options: *const hrvit_run_options,
    error: *mut hrvit_error,
) -> hrvit_status {
    let call = || {
        let mut held = take(engine)?;
        let open = held.get()?;
        let mut apart = Apart::default();
        // SAFETY: the caller vouches for the pointers, here and in the structures.
        unsafe {
            let steps = steps(open, options)?;
            let pixels = Pixels::of(open, frame, &mut apart)?;
            let outputs = Outputs::of(open, results, &mut apart)?;
            segment(open, pixels, outputs, &steps)
        }
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { answer(error, call) }
}

/// Segments one frame that a callback gives row by row, from the top, each row once: the frame need
/// never be whole in memory. `row_context` is handed to `row`. Otherwise as `hrvit_engine_segment`.
///
/// `row` may be called for several rows in quick succession, then not for a while: it must buffer,
/// or wait for the sensor.
///
/// Errors: those of `hrvit_engine_segment`, and `HRVIT_ERROR_ROW`, after which `row` is not called
/// again for this frame.
///
/// Thread-safety: as `hrvit_engine_segment`; `row` is called on the thread that calls.
///
/// ```c
/// static int32_t next_row(void *camera, uint32_t y, uint8_t *row, size_t row_bytes)
/// {
///     (void)y;
///     return camera_read_line(camera, row, row_bytes) ? 0 : -1;
/// }
/// status = hrvit_engine_segment_rows(engine, next_row, camera, &results, NULL, &error);
/// ```
///
/// # Safety
/// Pointers are NULL or lead to what is described.
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hrvit_engine_segment_rows(
    engine: *mut hrvit_engine,
    row: hrvit_row_fn,
    row_context: *mut c_void,
    results: *const hrvit_segmentation,
    options: *const hrvit_run_options,
    error: *mut hrvit_error,
) -> hrvit_status {
    let call = || {
        let row = row.ok_or_else(|| Failure::null("row"))?;
        let mut held = take(engine)?;
        let open = held.get()?;
        // SAFETY: the caller vouches for the pointers, here and in the structures.
        unsafe {
            let steps = steps(open, options)?;
            let outputs = Outputs::of(open, results, &mut Apart::default())?;
            let mut ask = |y: usize, pixels: &mut [u8]| match row(row_context, y as u32, pixels.as_mut_ptr(), pixels.len()) {
                0 => Ok(()),
                said => Err(RowFailed(said)),
            };
            Ok(open.engine.segment_rows(&mut ask, outputs.segmentation(), &steps)?)
        }
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { answer(error, call) }
}

/// Classifies one frame: writes the `count` best classes to `ranked`, the best first, the lower
/// index first among equals.
///
/// `count` is 1 to `HRVIT_MOST_RANKED`, and at most the classes of the model. `options` may be
/// NULL.
///
/// Errors: those of `hrvit_engine_segment`; `HRVIT_ERROR_HEAD` if the model is a segmentor,
/// `_ARGUMENT` if `count` is out of range, or the frame's rows have padding.
///
/// Thread-safety: as `hrvit_engine_segment`.
///
/// ```c
/// hrvit_ranked best[5];
/// if (hrvit_engine_classify(engine, &frame, best, 5, NULL, &error) == HRVIT_OK)
///     printf("class %u, logit %.2f\n", best[0].class_index, (double)best[0].logit);
/// ```
///
/// # Safety
/// Pointers are NULL or lead to what is described.
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hrvit_engine_classify(
    engine: *mut hrvit_engine,
    frame: *const hrvit_frame,
    ranked: *mut hrvit_ranked,
    count: usize,
    options: *const hrvit_run_options,
    error: *mut hrvit_error,
) -> hrvit_status {
    let call = || {
        let mut held = take(engine)?;
        let open = held.get()?;
        let network = open.engine.plan().network();
        if network.head != Head::Classifier {
            return Err(RunError::<hrvit_core::Never>::WrongHead { needed: Head::Classifier, found: network.head }.into());
        }
        let most = usize::from(network.classes).min(HRVIT_MOST_RANKED);
        if !(1..=most).contains(&count) {
            return Err(Failure::outside(HRVIT_ERROR_ARGUMENT, "count", count, (1, most)));
        }
        let mut apart = Apart::default();
        // SAFETY: the caller vouches for the pointers, here and in the structures.
        let (steps, pixels, ranked) = unsafe {
            let (steps, pixels) = (steps(open, options)?, Pixels::of(open, frame, &mut apart)?);
            lent::register()?.check(apart.add("ranked", ranked, count)?, true)?;
            (steps, pixels, unique("ranked", ranked, count)?)
        };
        let mut best = [Ranked::default(); HRVIT_MOST_RANKED];
        let best = best.get_mut(..count).ok_or(HRVIT_ERROR_INTERNAL)?;
        let frame = pixels.whole()?;
        run(open, &steps, |engine, observer| engine.classify(frame, best, observer))?;
        let format = open.engine.model().logits_format();
        for (to, from) in ranked.iter_mut().zip(best) {
            *to = hrvit_ranked { class_index: from.class.into(), logit: format.value(from.logit) };
        }
        Ok(())
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { answer(error, call) }
}

/// Writes the logits of one frame to the `count` elements at `logits`, exactly `logit_count` of the
/// plan: `height / 4` rows of `width / 4` positions of `classes` of a segmentor, `classes` of a
/// classifier. `hrvit_model_logit_values` gives their real values. `options` may be NULL.
///
/// Errors: those of `hrvit_engine_segment`, but not `HRVIT_ERROR_HEAD`; `_ARGUMENT` also if the
/// frame's rows have padding.
///
/// Thread-safety: as `hrvit_engine_segment`.
///
/// ```c
/// int16_t *logits = malloc(info.logit_count * sizeof *logits);
/// status = hrvit_engine_logits(engine, &frame, logits, info.logit_count, NULL, &error);
/// ```
///
/// # Safety
/// Pointers are NULL or lead to what is described.
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hrvit_engine_logits(
    engine: *mut hrvit_engine,
    frame: *const hrvit_frame,
    logits: *mut i16,
    count: usize,
    options: *const hrvit_run_options,
    error: *mut hrvit_error,
) -> hrvit_status {
    let call = || {
        let mut held = take(engine)?;
        let open = held.get()?;
        exactly("count", count, open.engine.logits_len())?;
        let mut apart = Apart::default();
        // SAFETY: the caller vouches for the pointers, here and in the structures. `Logit` is an
        // `i16` by its representation.
        let (steps, pixels, logits) = unsafe {
            let (steps, pixels) = (steps(open, options)?, Pixels::of(open, frame, &mut apart)?);
            lent::register()?.check(apart.add("logits", logits, count)?, true)?;
            (steps, pixels, unique("logits", logits.cast::<Logit>(), count)?)
        };
        let frame = pixels.whole()?;
        run(open, &steps, |engine, observer| engine.logits(frame, logits, observer))
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { answer(error, call) }
}

/// The observer that the options ask for.
///
/// # Safety
/// `options` is NULL or leads to what its `struct_size` says.
pub(crate) unsafe fn steps(open: &OpenEngine, options: *const hrvit_run_options) -> Result<Steps, Failure> {
    // SAFETY: as the caller says.
    let options = unsafe { sized::read_or_zeros(options)? };
    only_flags(0, options.flags)?;
    Ok(Steps::new(&options, open.engine.model().steps().len()))
}

fn exactly(what: &'static str, found: usize, needed: usize) -> Result<(), Failure> {
    if found == needed { Ok(()) } else { Err(Failure::number(HRVIT_ERROR_SIZE, what, found, needed)) }
}

/// Runs a frame. Without a callback a frame of several workers runs on one of their threads,
/// which keeps the others awake.
fn run(
    open: &mut OpenEngine,
    steps: &Steps,
    work: impl FnOnce(&mut hrvit_core::Engine<hrvit_core::Model<'static>, crate::engine::Arena, Workers>, &dyn Observer) -> Result<(), RunError> + Send,
) -> Result<(), Failure> {
    if steps.is_called() {
        return Ok(work(&mut open.engine, steps)?);
    }
    #[cfg(feature = "std")]
    if let Workers::Threads(threads) = &open.workers {
        let engine = &mut open.engine;
        return Ok(threads.install(move || work(engine, &NoObserver))?);
    }
    Ok(work(&mut open.engine, &NoObserver)?)
}

/// Pixels of a frame in the caller's memory.
struct Pixels<'f> {
    bytes: &'f [u8],
    /// Bytes from row to row; `None` where rows have no padding.
    stride: Option<usize>,
    row: usize,
}

impl Pixels<'_> {
    /// # Safety
    /// `frame` is NULL or leads to what its `struct_size` says, and its pixels are as described.
    unsafe fn of(open: &OpenEngine, frame: *const hrvit_frame, apart: &mut Apart) -> Result<Self, Failure> {
        // SAFETY: as the caller says.
        let frame = unsafe { sized::read(frame)? };
        if frame.format != HRVIT_FRAME_RGB8 {
            return Err(Failure::text(HRVIT_ERROR_ARGUMENT, "frame format: this library knows HRVIT_FRAME_RGB8"));
        }
        let size = open.engine.plan().size();
        let (row, rows) = (3 * usize::from(size.width), usize::from(size.height));
        let stride = (frame.row_bytes != 0).then_some(frame.row_bytes);
        let needed = match stride {
            None => row * rows,
            Some(stride) if stride < row => return Err(Failure::below(HRVIT_ERROR_SIZE, "row_bytes, where it is not 0,", stride, row)),
            Some(stride) => stride.saturating_mul(rows - 1).saturating_add(row),
        };
        if stride.is_some() && frame.bytes < needed {
            return Err(Failure::below(HRVIT_ERROR_SIZE, "bytes of the frame", frame.bytes, needed));
        }
        if stride.is_none() {
            exactly("bytes of the frame", frame.bytes, needed)?;
        }
        let place = apart.add("pixels", frame.pixels, needed)?;
        lent::register()?.check(place, false)?;
        // SAFETY: the caller vouches for the pixels.
        Ok(Self { bytes: unsafe { shared("pixels", frame.pixels, needed)? }, stride: stride.filter(|stride| *stride != row), row })
    }

    /// The frame, whose rows must have no padding.
    fn whole(&self) -> Result<&[u8], Failure> {
        match self.stride {
            None => Ok(self.bytes),
            Some(_) => Err(Failure::text(HRVIT_ERROR_ARGUMENT, "row_bytes: only hrvit_engine_segment takes rows with padding")),
        }
    }
}

/// Buffers of the results.
pub(crate) struct Outputs<'o> {
    labels: &'o mut [u8],
    margins: Option<(&'o mut [u8], u8)>,
    logits: Option<&'o mut [Logit]>,
}

impl<'o> Outputs<'o> {
    /// # Safety
    /// `results` is NULL or leads to what its `struct_size` says, and its buffers are as described.
    pub(crate) unsafe fn of(open: &OpenEngine, results: *const hrvit_segmentation, apart: &mut Apart) -> Result<Self, Failure> {
        // SAFETY: as the caller says.
        let results = unsafe { sized::read(results)? };
        let (plan, shift) = (open.engine.plan(), margin_shift_of(results.margin_shift)?);
        if plan.network().head != Head::Segformer {
            return Err(RunError::<hrvit_core::Never>::WrongHead { needed: Head::Segformer, found: plan.network().head }.into());
        }
        let pixels = plan.size().pixels();
        let asked = |there: bool, needed: usize| if there { needed } else { 0 };
        exactly("labels_bytes", results.labels_bytes, pixels)?;
        if results.margins.is_null() && results.margins_bytes != 0 || results.logits.is_null() && results.logits_count != 0 {
            return Err(Failure::text(HRVIT_ERROR_SIZE, "a buffer of results is NULL, but its size is not 0: expected both or neither"));
        }
        exactly("margins_bytes", results.margins_bytes, asked(!results.margins.is_null(), pixels))?;
        exactly("logits_count", results.logits_count, asked(!results.logits.is_null(), open.engine.logits_len()))?;
        let places = [
            apart.add("labels", results.labels, results.labels_bytes)?,
            apart.add("margins", results.margins, results.margins_bytes)?,
            apart.add("logits", results.logits, results.logits_count)?,
        ];
        let register = lent::register()?;
        places.into_iter().try_for_each(|place| register.check(place, true))?;
        drop(register);
        // SAFETY: the caller vouches for the buffers, which overlap neither each other nor what is
        // lent. `Logit` is an `i16` by its representation.
        unsafe {
            Ok(Self {
                labels: unique("labels", results.labels, results.labels_bytes)?,
                margins: if results.margins.is_null() { None } else { Some((unique("margins", results.margins, results.margins_bytes)?, shift)) },
                logits: if results.logits.is_null() { None } else { Some(unique("logits", results.logits.cast(), results.logits_count)?) },
            })
        }
    }

    pub(crate) fn segmentation(self) -> Segmentation<'o> {
        let mut all = Segmentation::new(self.labels);
        if let Some((margins, shift)) = self.margins {
            all = all.margins(margins, shift);
        }
        if let Some(logits) = self.logits {
            all = all.logits(logits);
        }
        all
    }
}

fn segment(open: &mut OpenEngine, pixels: Pixels<'_>, outputs: Outputs<'_>, steps: &Steps) -> Result<(), Failure> {
    let Pixels { bytes, stride: Some(stride), row } = pixels else {
        let frame = pixels.bytes;
        return run(open, steps, move |engine, observer| engine.segment_into(frame, outputs.segmentation(), observer));
    };
    let mut copy = |y: usize, to: &mut [u8]| {
        let from = y.checked_mul(stride).and_then(|at| bytes.get(at..)?.get(..row)).ok_or(RowFailed(-1))?;
        if to.len() != from.len() {
            return Err(RowFailed(-1));
        }
        to.copy_from_slice(from);
        Ok(())
    };
    Ok(open.engine.segment_rows(&mut copy, outputs.segmentation(), steps)?)
}
