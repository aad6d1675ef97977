//! Names, colours and numbers of a model, and its golden frame.

use core::ffi::c_char;
use core::fmt::Write;

use hrvit_core::{Logit, StepId};

use super::with;
use crate::answer::answer;
use crate::failure::Failure;
use crate::lent;
use crate::memory::{Apart, check, put, shared, unique};
use crate::status::*;
use crate::structs::*;
use crate::text::Text;

/// Writes a text to the caller's `room` of `bytes` bytes.
///
/// # Safety
/// `room` is NULL, or leads to `bytes` bytes that may be written.
unsafe fn tell(room: *mut c_char, bytes: usize, write: impl FnOnce(&mut Text<'_>) -> Result<(), Failure>) -> Result<(), Failure> {
    lent::register()?.check(Apart::default().add("text", room, bytes)?, true)?;
    // SAFETY: the caller vouches for it.
    let mut text = Text::new(unsafe { unique("text", room, bytes)? });
    write(&mut text)?;
    if text.is_whole() { Ok(()) } else { Err(Failure::below(HRVIT_ERROR_SIZE, "text_bytes", bytes, text.needed())) }
}

/// Writes the name of a class to `text`, UTF-8 that ends with a NUL, into `text_bytes` bytes.
///
/// 64 bytes are enough for most. A name that does not fit is cut, and an error.
///
/// Errors: `HRVIT_ERROR_HANDLE`, `_NULL`, `_ARGUMENT` (no such class), `_MISSING` (the image does
/// not name it), `_SIZE` (the text was cut), `_OVERLAP`; `_BUSY` without `HRVIT_FEATURE_STD`.
///
/// Thread-safety: any thread, any time; not from interrupts.
///
/// ```c
/// char name[64];
/// if (hrvit_model_class_name(model, label, name, sizeof name, NULL) == HRVIT_OK)
///     puts(name);
/// ```
///
/// # Safety
/// Pointers are NULL or lead to what is described.
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hrvit_model_class_name(
    model: *const hrvit_model,
    class_index: u32,
    text: *mut c_char,
    text_bytes: usize,
    error: *mut hrvit_error,
) -> hrvit_status {
    let call = || {
        with(model, |open| {
            let class = class_of(open.image.model().meta().network.classes, class_index)?;
            let name = open.image.model().meta().class_name(class).ok_or(HRVIT_ERROR_MISSING)?;
            let write = |text: &mut Text<'_>| {
                text.push(name.as_bytes());
                Ok(())
            };
            // SAFETY: the caller vouches for `text`.
            unsafe { tell(text, text_bytes, write) }
        })
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { answer(error, call) }
}

fn class_of(classes: u16, index: u32) -> Result<usize, Failure> {
    if index < u32::from(classes) {
        Ok(index as usize)
    } else {
        Err(Failure::outside(HRVIT_ERROR_ARGUMENT, "class_index", index as usize, (0, usize::from(classes).saturating_sub(1))))
    }
}

/// Writes the colour of a class, red, green, blue, to the three bytes at `rgb`.
///
/// Errors: `HRVIT_ERROR_HANDLE`, `_NULL`, `_ARGUMENT` (no such class), `_MISSING` (the image has
/// no colours), `_OVERLAP`; `_BUSY` without `HRVIT_FEATURE_STD`.
///
/// Thread-safety: any thread, any time; not from interrupts.
///
/// ```c
/// uint8_t rgb[3] = {128, 128, 128};
/// hrvit_model_class_colour(model, label, rgb, NULL);  // grey stays where the image has none
/// ```
///
/// # Safety
/// Pointers are NULL or lead to what is described.
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hrvit_model_class_colour(model: *const hrvit_model, class_index: u32, rgb: *mut u8, error: *mut hrvit_error) -> hrvit_status {
    let call = || {
        let colour = with(model, |open| {
            let class = class_of(open.image.model().meta().network.classes, class_index)?;
            open.image.model().meta().colour(class).ok_or_else(|| Failure::of(HRVIT_ERROR_MISSING))
        })?;
        lent::register()?.check(Apart::default().add("rgb", rgb, 3)?, true)?;
        // SAFETY: the caller vouches for `rgb`.
        unsafe { put("rgb", rgb.cast::<[u8; 3]>(), colour) }
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { answer(error, call) }
}

/// Writes the name of a step, such as `m2.branch.1.0.attn`, to `text`, which ends with a NUL, into
/// `text_bytes` bytes; 32 are enough. A name that does not fit is cut, and an error.
///
/// Errors: `HRVIT_ERROR_HANDLE`, `_NULL`, `_ARGUMENT` (no such step), `_SIZE` (the text was cut),
/// `_OVERLAP`; `_BUSY` without `HRVIT_FEATURE_STD`.
///
/// Thread-safety: any thread, any time; not from interrupts.
///
/// ```c
/// char name[32];
/// if (hrvit_model_step_name(model, step->index, name, sizeof name, NULL) == HRVIT_OK)
///     puts(name);
/// ```
///
/// # Safety
/// Pointers are NULL or lead to what is described.
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hrvit_model_step_name(
    model: *const hrvit_model,
    step_index: u32,
    text: *mut c_char,
    text_bytes: usize,
    error: *mut hrvit_error,
) -> hrvit_status {
    let call = || {
        with(model, |open| {
            let id = u16::try_from(step_index).ok().map(StepId);
            let step = id.and_then(|id| open.image.model().meta().network.step(id));
            let last = open.image.model().steps().len().saturating_sub(1);
            let step = step.ok_or_else(|| Failure::outside(HRVIT_ERROR_ARGUMENT, "step_index", step_index as usize, (0, last)))?;
            // SAFETY: the caller vouches for `text`.
            unsafe { tell(text, text_bytes, |text| write!(text, "{step}").map_err(|_| Failure::of(HRVIT_ERROR_INTERNAL))) }
        })
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { answer(error, call) }
}

/// Finds the golden frame of an image: the frame that was run when the image was made.
///
/// Writes to `pixels` where it lies, RGB without padding, and to `bytes` its length, `height *
/// width * 3` of the model's own input. It is part of the image: read only, until the model is
/// closed. Its label map has the same bytes on every processor, unless the image has
/// `HRVIT_HAS_FP16`: `hrvit_model_golden_crc` says which.
///
/// Errors: `HRVIT_ERROR_HANDLE`, `_NULL`, `_ALIGNMENT`, `_MISSING`; `_BUSY` without
/// `HRVIT_FEATURE_STD`.
///
/// Thread-safety: any thread, any time; not from interrupts.
///
/// ```c
/// hrvit_frame frame = HRVIT_INIT(hrvit_frame);
/// if (hrvit_model_golden_frame(model, &frame.pixels, &frame.bytes, &error) == HRVIT_OK)
///     status = hrvit_engine_segment(engine, &frame, &results, NULL, &error);
/// ```
///
/// # Safety
/// Pointers are NULL or lead to what is described.
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hrvit_model_golden_frame(
    model: *const hrvit_model,
    pixels: *mut *const u8,
    bytes: *mut usize,
    error: *mut hrvit_error,
) -> hrvit_status {
    let call = || {
        let frame = with(model, |open| open.image.model().golden().map(|golden| golden.frame).ok_or_else(|| Failure::of(HRVIT_ERROR_MISSING)))?;
        // Both, before one is written.
        check("pixels", pixels, 1)?;
        check("bytes", bytes, 1)?;
        // SAFETY: the caller vouches for both pointers.
        unsafe {
            put("pixels", pixels, frame.as_ptr())?;
            put("bytes", bytes, frame.len())
        }
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { answer(error, call) }
}

/// Writes to `crc` the CRC-32 (zlib's) of what a step of the golden frame left behind when the
/// image was made.
///
/// It is over the elements row by row, little-endian: `label_bytes` bytes of labels, or
/// `logit_count` logits of 16 bits. The last step, `steps - 1`, leaves the label map of a segmentor
/// or the logits of a classifier: a target that is in order makes the same bytes of the golden
/// frame. Step `steps - 2` of a segmentor leaves its logits (`hrvit_segmentation.logits`). Results
/// of other steps are not to be had here: firmware/README.md, `selftest`.
///
/// Images with half-precision steps have no CRCs, since last bits differ between processors.
/// Compare with the label map of another machine: a few labels may differ.
///
/// Errors: `HRVIT_ERROR_HANDLE`, `_NULL`, `_ALIGNMENT`, `_ARGUMENT` (no such step), `_MISSING` (no
/// golden frame, or half precision); `_BUSY` without `HRVIT_FEATURE_STD`.
///
/// Thread-safety: any thread, any time; not from interrupts.
///
/// ```c
/// // After hrvit_model_golden_frame and hrvit_engine_segment:
/// uint32_t expected;
/// if (hrvit_model_golden_crc(model, info.steps - 1, &expected, NULL) == HRVIT_OK)
///     self_test_ok = crc32(labels, labels_bytes) == expected;  // your own crc32, or zlib's
/// ```
///
/// # Safety
/// Pointers are NULL or lead to what is described.
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hrvit_model_golden_crc(model: *const hrvit_model, step_index: u32, crc: *mut u32, error: *mut hrvit_error) -> hrvit_status {
    let call = || {
        let found = with(model, |open| {
            let model = open.image.model();
            let golden = model.golden().filter(|golden| golden.result.is_none()).ok_or_else(|| Failure::of(HRVIT_ERROR_MISSING))?;
            let last = golden.crcs.len().saturating_sub(1);
            let crc = usize::try_from(step_index).ok().and_then(|at| golden.crcs.get(at));
            crc.copied().ok_or_else(|| Failure::outside(HRVIT_ERROR_ARGUMENT, "step_index", step_index as usize, (0, last)))
        })?;
        // SAFETY: the caller vouches for `crc`.
        unsafe { put("crc", crc, found) }
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { answer(error, call) }
}

/// Writes the real values of `count` logits to `values`, which must not overlap them.
///
/// Errors: `HRVIT_ERROR_HANDLE`, `_NULL`, `_ALIGNMENT`, `_SIZE`, `_OVERLAP`; `_BUSY` without
/// `HRVIT_FEATURE_STD`.
///
/// Thread-safety: any thread, any time; not from interrupts.
///
/// ```c
/// float values[19];  // of the first position
/// hrvit_model_logit_values(model, logits, 19, values, NULL);
/// ```
///
/// # Safety
/// Pointers are NULL or lead to what is described.
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hrvit_model_logit_values(
    model: *const hrvit_model,
    logits: *const i16,
    count: usize,
    values: *mut f32,
    error: *mut hrvit_error,
) -> hrvit_status {
    let call = || {
        let format = with(model, |open| Ok(open.image.model().logits_format()))?;
        let mut apart = Apart::default();
        let (from, to) = (apart.add("logits", logits, count)?, apart.add("values", values, count)?);
        let register = lent::register()?;
        register.check(from, false)?;
        register.check(to, true)?;
        drop(register);
        // SAFETY: the caller vouches for both, which do not overlap.
        let (logits, values) = unsafe { (shared("logits", logits, count)?, unique("values", values, count)?) };
        for (value, logit) in values.iter_mut().zip(logits) {
            *value = format.value(Logit::from_bits(*logit));
        }
        Ok(())
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { answer(error, call) }
}

/// Writes to `shift` the smallest `margin_shift` whose margins reach `range`: the code 255 then
/// stands for a lead of `range` logits or more. 31 if none reaches it.
///
/// Errors: `HRVIT_ERROR_HANDLE`, `_NULL`, `_ALIGNMENT`; `_BUSY` without `HRVIT_FEATURE_STD`.
///
/// Thread-safety: any thread, any time; not from interrupts.
///
/// ```c
/// // Margins up to 8 logits.
/// hrvit_model_margin_shift(model, 8.0f, &results.margin_shift, NULL);
/// ```
///
/// # Safety
/// Pointers are NULL or lead to what is described.
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hrvit_model_margin_shift(model: *const hrvit_model, range: f32, shift: *mut u32, error: *mut hrvit_error) -> hrvit_status {
    let call = || {
        let found = with(model, |open| Ok(open.image.model().logits_format().margin_shift(range)))?;
        // SAFETY: the caller vouches for `shift`.
        unsafe { put("shift", shift, found.into()) }
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { answer(error, call) }
}

/// Writes to `unit` the difference of logits that one code of a margin stands for at `shift`.
///
/// Errors: `HRVIT_ERROR_HANDLE`, `_NULL`, `_ALIGNMENT`, `_ARGUMENT` (a shift above 31); `_BUSY`
/// without `HRVIT_FEATURE_STD`.
///
/// Thread-safety: any thread, any time; not from interrupts.
///
/// ```c
/// float unit;
/// if (hrvit_model_margin_unit(model, results.margin_shift, &unit, NULL) == HRVIT_OK)
///     printf("%.2f logits ahead\n", (double)unit * results.margins[0]);
/// ```
///
/// # Safety
/// Pointers are NULL or lead to what is described.
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hrvit_model_margin_unit(model: *const hrvit_model, shift: u32, unit: *mut f32, error: *mut hrvit_error) -> hrvit_status {
    let call = || {
        let shift = margin_shift_of(shift)?;
        let found = with(model, |open| Ok(open.image.model().logits_format().margin_unit(shift)))?;
        // SAFETY: the caller vouches for `unit`.
        unsafe { put("unit", unit, found) }
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { answer(error, call) }
}

/// A shift of margins, 0 to 31.
pub(crate) fn margin_shift_of(shift: u32) -> Result<u8, Failure> {
    let shift = u8::try_from(shift).ok().filter(|shift| *shift <= 31);
    shift.ok_or_else(|| Failure::text(HRVIT_ERROR_ARGUMENT, "the shift of margins is above 31: expected 0 to 31"))
}
