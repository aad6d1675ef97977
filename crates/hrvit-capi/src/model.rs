//! Models: opening, closing, and what an image says of itself.

mod image;
mod texts;

use core::ffi::{c_char, c_void};

use hrvit_core::{Head, LogitFormat, Precision};

use crate::answer::answer;
use crate::failure::Failure;
use crate::lent::{self, Loan};
use crate::memory::{Place, put};
use crate::sized::{self, SizedStruct, only_flags};
use crate::slots::{MODELS, Slots};
use crate::status::*;
use crate::structs::*;

pub(crate) use image::Image;
pub use texts::*;

/// A model that is open.
pub(crate) struct OpenModel {
    pub image: Image,
    loan: Loan,
    /// Engines that use it.
    pub engines: usize,
}

static OPEN: Slots<OpenModel, 5, MODELS> = Slots::new();

/// Calls `work` with an open model, which stays open meanwhile.
pub(crate) fn with<T>(model: *const hrvit_model, work: impl FnOnce(&mut OpenModel) -> Result<T, Failure>) -> Result<T, Failure> {
    work(OPEN.wait(model.addr())?.get()?)
}

/// Opens a checked image.
fn open(image: Image, model: *mut *mut hrvit_model) -> Result<(), Failure> {
    let mut register = lent::register()?;
    let loan = register.begin(Place::of("image", image.bytes()), false)?;
    let handle = OPEN.insert(OpenModel { image, loan, engines: 0 }).map_err(|refused| {
        register.end(&refused.content.loan);
        refused.failure("models")
    })?;
    // SAFETY: `begin` found that it leads to a handle of the caller.
    unsafe { put("model", model, core::ptr::without_provenance_mut(handle)) }
}

/// Checks the place for a handle and writes NULL there, so that no error leaves an old one.
///
/// # Safety
/// `handle` is NULL or leads to a pointer that may be written.
pub(crate) unsafe fn clear<T>(handle: *mut *mut T) -> Result<(), Failure> {
    // SAFETY: as the caller says.
    unsafe { put("the place for the handle", handle, core::ptr::null_mut()) }
}

/// Opens the model image in `bytes` bytes at `image`: checks every byte of it, once.
///
/// The image must lie at a multiple of `HRVIT_ALIGNMENT` bytes. It is read in place, so that it
/// must stay there, unchanged, until `hrvit_model_close` has returned `HRVIT_OK`. With
/// `HRVIT_MODEL_COPY` it may lie anywhere, and the caller may change or free it when this function
/// returns. `bytes` may exceed the image (a slot of flash): memory behind the image's end stays the
/// caller's and is not copied. `options` may be NULL.
///
/// Takes: time in proportion to the image, tens of megabytes a second on a microcontroller. Writes
/// the handle to `model`, or NULL after an error (nothing if `error` itself is refused).
///
/// Errors: `HRVIT_ERROR_NULL`, `_ALIGNMENT`, `_SIZE`, `_STRUCT_SIZE`, `_ARGUMENT` (flags),
/// `_IMAGE`, `_VERSION`, `_PACKING`, `_UNSUPPORTED` (a precision, or a copy without
/// `HRVIT_FEATURE_STD`), `_OVERLAP` (an arena), `_MEMORY`, `_SLOTS` (64 models are open, 2 without
/// `HRVIT_FEATURE_STD`); `_BUSY` without `HRVIT_FEATURE_STD`.
///
/// Thread-safety: any thread, any time; not from interrupts.
///
/// ```c
/// extern const unsigned char image[];  // aligned to HRVIT_ALIGNMENT: see docs/c-api.md
/// hrvit_model *model = NULL;
/// hrvit_status status = hrvit_model_open(image, image_bytes, NULL, &model, NULL);
/// ```
///
/// # Safety
/// Pointers are NULL or lead to what is described.
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hrvit_model_open(
    image: *const c_void,
    bytes: usize,
    options: *const hrvit_model_options,
    model: *mut *mut hrvit_model,
    error: *mut hrvit_error,
) -> hrvit_status {
    let call = || {
        // SAFETY: the caller vouches for both pointers.
        let options = unsafe {
            clear(model)?;
            sized::read_or_zeros(options)?
        };
        only_flags(HRVIT_MODEL_COPY, options.flags)?;
        // SAFETY: the caller vouches for the image, until the model is closed unless it is copied.
        let image = unsafe { if options.flags & HRVIT_MODEL_COPY == 0 { Image::lent(image, bytes) } else { Image::copied(image, bytes) } }?;
        open(image, model)
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { answer(error, call) }
}

/// Opens the model image in the file at `path`, a text that ends with a NUL, in UTF-8 on Windows
/// and as the system has it elsewhere. Every byte of the image is checked, once.
///
/// The file is mapped, and must stay as it is until `hrvit_model_close` has returned `HRVIT_OK`:
/// replace it by a new one of its name, do not write into it. With `HRVIT_MODEL_COPY` it is read
/// to memory of the library's own, and may be changed or gone when this function returns.
/// `options` may be NULL.
///
/// Takes: time in proportion to the image, some gigabytes a second on a desk, beside the time that
/// the system takes to read the file. Writes the handle to `model`, or NULL after an error (nothing
/// if `error` itself is refused).
///
/// Errors: those of `hrvit_model_open`, and `HRVIT_ERROR_FILE`; `_UNSUPPORTED` without
/// `HRVIT_FEATURE_STD`.
///
/// Thread-safety: any thread, any time; not from interrupts.
///
/// ```c
/// hrvit_error error = HRVIT_INIT(hrvit_error);
/// hrvit_model *model = NULL;
/// if (hrvit_model_open_file("b1.hrvit", NULL, &model, &error) != HRVIT_OK)
///     fprintf(stderr, "%s\n", error.text);
/// ```
///
/// # Safety
/// Pointers are NULL or lead to what is described.
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hrvit_model_open_file(
    path: *const c_char,
    options: *const hrvit_model_options,
    model: *mut *mut hrvit_model,
    error: *mut hrvit_error,
) -> hrvit_status {
    let call = || {
        // SAFETY: the caller vouches for both pointers.
        let options = unsafe {
            clear(model)?;
            sized::read_or_zeros(options)?
        };
        only_flags(HRVIT_MODEL_COPY, options.flags)?;
        if path.is_null() {
            return Err(Failure::null("path"));
        }
        // SAFETY: not NULL; the caller vouches for the text, and for the file unless it is copied.
        open(unsafe { Image::of_file(path, options.flags & HRVIT_MODEL_COPY != 0) }?, model)
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { answer(error, call) }
}

/// Closes a model. The handle becomes invalid; the memory of its image is the caller's.
///
/// Errors: `HRVIT_ERROR_HANDLE`, `_IN_USE` (close its engines first: the model stays open),
/// `_BUSY` (without `HRVIT_FEATURE_STD`: another task works with the handle or is inside the
/// library; the model stays open).
///
/// Thread-safety: any thread, any time; not from interrupts.
///
/// ```c
/// hrvit_engine_close(engine, NULL);
/// if (hrvit_model_close(model, NULL) == HRVIT_OK)
///     free(image);  // of hrvit_model_open without HRVIT_MODEL_COPY
/// ```
///
/// # Safety
/// `error` is NULL or leads to what is described.
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hrvit_model_close(model: *mut hrvit_model, error: *mut hrvit_error) -> hrvit_status {
    let call = || {
        let mut held = OPEN.wait(model.addr())?;
        let open = held.get()?;
        if open.engines > 0 {
            return Err(Failure::of(HRVIT_ERROR_IN_USE));
        }
        lent::register()?.end(&open.loan);
        drop(held.remove());
        Ok(())
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { answer(error, call) }
}

/// Writes what an image says of itself to `info`.
///
/// Errors: `HRVIT_ERROR_HANDLE`, `_NULL`, `_ALIGNMENT`, `_STRUCT_SIZE`; `_BUSY` without
/// `HRVIT_FEATURE_STD`.
///
/// Thread-safety: any thread, any time; not from interrupts.
///
/// ```c
/// hrvit_model_info info = HRVIT_INIT(hrvit_model_info);
/// if (hrvit_model_describe(model, &info, NULL) == HRVIT_OK)
///     printf("%u classes at %ux%u\n", info.classes, info.height, info.width);
/// ```
///
/// # Safety
/// Pointers are NULL or lead to what is described.
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hrvit_model_describe(model: *const hrvit_model, info: *mut hrvit_model_info, error: *mut hrvit_error) -> hrvit_status {
    let call = || {
        let own = with(model, |open| Ok(described(&open.image)))?;
        // SAFETY: the caller vouches for `info`.
        unsafe { sized::write(info, &own) }
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { answer(error, call) }
}

fn described(image: &Image) -> hrvit_model_info {
    let model = image.model();
    let meta = model.meta();
    let mut info = hrvit_model_info::new();
    info.head = if meta.network.head == Head::Classifier { HRVIT_HEAD_CLASSIFIER } else { HRVIT_HEAD_SEGFORMER };
    info.classes = meta.network.classes.into();
    (info.height, info.width) = (meta.size.height.into(), meta.size.width.into());
    info.fit = meta.preprocess.fit as u32;
    info.steps = u32::try_from(model.steps().len()).unwrap_or(u32::MAX);
    (info.logit_format, info.logit_scale) = match model.logits_format() {
        LogitFormat::S16 { scale } => (HRVIT_LOGIT_S16, scale),
        _ => (HRVIT_LOGIT_F16, 1.0),
    };
    let has = |what: bool, bit: u32| if what { bit } else { 0 };
    let any = |precision: Precision| model.step_ids().any(|(id, _)| model.precision(id) == precision);
    info.contents = has(!meta.class_names.is_empty(), HRVIT_HAS_NAMES)
        | has(!meta.colours.is_empty(), HRVIT_HAS_COLOURS)
        | has(model.golden().is_some(), HRVIT_HAS_GOLDEN)
        | has(any(Precision::Int16x8), HRVIT_HAS_INT16X8)
        | has(any(Precision::Fp16), HRVIT_HAS_FP16);
    info.sequence = model.sequence();
    // Rounded as the tools do; a conversion saturates, and needs no library for `round`.
    let [red, green, blue] = meta.preprocess.mean.map(|mean| (mean + 0.5) as u8);
    info.mean = [red, green, blue, 0];
    info.image_bytes = model.total_len();
    info
}
