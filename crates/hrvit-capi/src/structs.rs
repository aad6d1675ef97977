//! The structures and callbacks of the header.
#![allow(non_camel_case_types, reason = "names in the header")]

use core::ffi::{c_char, c_void};

use crate::sized::SizedStruct;

/// A checked model image. Only ever a `hrvit_model *`, which is not read through: a closed one is
/// known as such.
pub struct hrvit_model {
    _private: [u8; 0],
}

/// A model, a plan and an arena, ready to run frames. Only ever a `hrvit_engine *`, which is not
/// read through: a closed one is known as such.
pub struct hrvit_engine {
    _private: [u8; 0],
}

/// Bytes of the text in `hrvit_error`, its NUL included.
pub const HRVIT_ERROR_TEXT_BYTES: usize = 248;

/// The end of a call, in words. Every function that returns `hrvit_status` fills one in if it
/// is given one; NULL is fine where the code is enough.
///
/// ```c
/// hrvit_error error = HRVIT_INIT(hrvit_error);
/// if (hrvit_model_open_file("b1.hrvit", NULL, &model, &error) != HRVIT_OK)
///     fprintf(stderr, "%s\n", error.text);
/// ```
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hrvit_error {
    /// `sizeof(hrvit_error)`, set by the caller.
    pub struct_size: u32,
    /// What the function also returned, an `hrvit_status`.
    pub status: i32,
    /// One sentence in English, in UTF-8, that ends with a NUL: the thing, what was expected, what
    /// to do. Empty after `HRVIT_OK`.
    pub text: [c_char; HRVIT_ERROR_TEXT_BYTES],
}

/// For `hrvit_model_options.flags`: copy the image to memory of the library's own. A buffer may
/// lie anywhere; buffer or file are free again when the function returns. Needs
/// `HRVIT_FEATURE_STD`.
pub const HRVIT_MODEL_COPY: u32 = 1;

/// How to open a model. Zeros are the defaults.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct hrvit_model_options {
    /// `sizeof(hrvit_model_options)`, set by the caller.
    pub struct_size: u32,
    /// 0, or `HRVIT_MODEL_COPY`.
    pub flags: u32,
}

/// For `hrvit_model_info.head`: a label for every pixel.
pub const HRVIT_HEAD_SEGFORMER: u32 = 0;
/// For `hrvit_model_info.head`: a class for the whole frame.
pub const HRVIT_HEAD_CLASSIFIER: u32 = 1;

/// For `hrvit_model_info.logit_format`: 16-bit codes, `logit_scale` each.
pub const HRVIT_LOGIT_S16: u32 = 0;
/// For `hrvit_model_info.logit_format`: IEEE 754 half precision.
pub const HRVIT_LOGIT_F16: u32 = 1;

/// For `hrvit_model_info.fit`: a picture is resized in each direction on its own.
pub const HRVIT_FIT_STRETCH: u32 = 0;
/// For `hrvit_model_info.fit`: the largest part in its middle that has the input's shape.
pub const HRVIT_FIT_CROP: u32 = 1;
/// For `hrvit_model_info.fit`: all of it, in the middle between bars of the mean colour.
pub const HRVIT_FIT_LETTERBOX: u32 = 2;
/// For `hrvit_model_info.fit`: resized with its shape kept until it just covers the input.
pub const HRVIT_FIT_KEEP_RATIO: u32 = 3;

/// For `hrvit_model_info.contents`: the image names its classes.
pub const HRVIT_HAS_NAMES: u32 = 1;
/// For `hrvit_model_info.contents`: the image has a colour for every class.
pub const HRVIT_HAS_COLOURS: u32 = 2;
/// For `hrvit_model_info.contents`: the image has a golden frame.
pub const HRVIT_HAS_GOLDEN: u32 = 4;
/// For `hrvit_model_info.contents`: some steps have 16-bit activations.
pub const HRVIT_HAS_INT16X8: u32 = 8;
/// For `hrvit_model_info.contents`: some steps are in half precision. Their results may differ
/// between processors in the last bits; those of all other images never do.
pub const HRVIT_HAS_FP16: u32 = 16;

/// Facts about an image, as it says them itself.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct hrvit_model_info {
    /// `sizeof(hrvit_model_info)`, set by the caller.
    pub struct_size: u32,
    /// `HRVIT_HEAD_SEGFORMER` or `HRVIT_HEAD_CLASSIFIER`.
    pub head: u32,
    /// Classes: labels are below it. At most 256 of a segmentor, 32767 of a classifier.
    pub classes: u32,
    /// Rows of pixels of the input that the image was made for, a multiple of 32.
    pub height: u32,
    /// Columns of pixels of that input, a multiple of 32.
    pub width: u32,
    /// How a picture of another shape was brought to that input: `HRVIT_FIT_...`.
    pub fit: u32,
    /// Steps of a frame.
    pub steps: u32,
    /// `HRVIT_LOGIT_S16` or `HRVIT_LOGIT_F16`.
    pub logit_format: u32,
    /// Real value of one code of a logit; 1 in half precision.
    pub logit_scale: f32,
    /// Sum of `HRVIT_HAS_...`.
    pub contents: u32,
    /// Number of the image: of two valid ones the higher is newer.
    pub sequence: u32,
    /// 0.
    pub reserved: u32,
    /// Bytes of the image.
    pub image_bytes: usize,
}

/// Wishes that an engine is planned for, and where its arena is. Zeros are the defaults.
///
/// The same structure goes to `hrvit_plan`, which says how many bytes the arena must have, and to
/// `hrvit_engine_open`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct hrvit_engine_options {
    /// `sizeof(hrvit_engine_options)`, set by the caller.
    pub struct_size: u32,
    /// Threads that share the work of a frame, 1 to 8; 0 is 1. More than one needs
    /// `HRVIT_FEATURE_THREADS`. No number of them changes a byte of a result.
    pub workers: u32,
    /// Rows of a frame, a multiple of 32 from 32 to 4096; 0: the image's own.
    pub height: u32,
    /// Columns of a frame, a multiple of 32 from 32 to 4096; 0: the image's own.
    pub width: u32,
    /// Memory for the engine, at a multiple of `HRVIT_ALIGNMENT` bytes, in use until the engine is
    /// closed. NULL: the library allocates it, which needs `HRVIT_FEATURE_STD`.
    pub arena: *mut c_void,
    /// Bytes of `arena`, at least those that the plan asks for; 0 where `arena` is NULL.
    pub arena_bytes: usize,
    /// Plan for an arena of up to this many bytes, which may save instructions; 0: the smallest.
    pub arena_limit: usize,
    /// Kernels to run on, by the name of an instruction set: `"scalar"`, `"avx2"`, `"neon"` and so
    /// on. NULL: the fastest that this processor has. Read during the call only.
    pub kernels: *const c_char,
}

/// Needs and sizes of a plan.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct hrvit_engine_info {
    /// `sizeof(hrvit_engine_info)`, set by the caller.
    pub struct_size: u32,
    /// Threads that share the work of a frame.
    pub workers: u32,
    /// Rows of a frame.
    pub height: u32,
    /// Columns of a frame.
    pub width: u32,
    /// Multiply-accumulates of a frame.
    pub macs: u64,
    /// Bytes of the arena.
    pub arena_bytes: usize,
    /// Bytes of a frame without padding between rows: `height * width * 3`.
    pub frame_bytes: usize,
    /// Bytes of a label map, and of a map of margins: `height * width`; 0 of a classifier.
    pub label_bytes: usize,
    /// Elements of the logits: `height / 4 * width / 4 * classes`, or `classes` of a classifier.
    pub logit_count: usize,
    /// Instruction set of the kernels, with a NUL.
    pub kernels: [c_char; 16],
}

/// For `hrvit_frame.format`: 3 bytes a pixel, red, green, blue.
pub const HRVIT_FRAME_RGB8: u32 = 0;

/// A frame in the caller's memory, row by row from the top. It is only read, and only during the
/// call; it may lie in the image (a golden frame), but not in an arena.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct hrvit_frame {
    /// `sizeof(hrvit_frame)`, set by the caller.
    pub struct_size: u32,
    /// `HRVIT_FRAME_RGB8`.
    pub format: u32,
    /// The first pixel.
    pub pixels: *const u8,
    /// Bytes from the first pixel on: exactly `frame_bytes` of the plan where `row_bytes` is 0, else
    /// at least `(height - 1) * row_bytes + width * 3`.
    pub bytes: usize,
    /// Bytes from one row to the next, at least `width * 3`; 0: rows have no padding.
    pub row_bytes: usize,
}

/// Buffers for the results of a frame. Sizes must be exactly those of the plan. No two buffers may
/// overlap, nor any of them the frame, an arena or an image.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct hrvit_segmentation {
    /// `sizeof(hrvit_segmentation)`, set by the caller.
    pub struct_size: u32,
    /// Shift of the margins, 0 to 31: a margin is `min(255, distance >> shift)`.
    /// `hrvit_model_margin_shift` gives one, `hrvit_model_margin_unit` what it stands for.
    pub margin_shift: u32,
    /// `height * width` bytes: the class of every pixel. Not NULL.
    pub labels: *mut u8,
    /// Bytes of `labels`.
    pub labels_bytes: usize,
    /// `height * width` bytes: how far the label of every pixel is ahead of the second best class.
    /// NULL: not asked for.
    pub margins: *mut u8,
    /// Bytes of `margins`; 0 where it is NULL.
    pub margins_bytes: usize,
    /// `height / 4 * width / 4 * classes` logits, what the labels are made from. NULL: not asked for.
    pub logits: *mut i16,
    /// Elements of `logits`; 0 where it is NULL.
    pub logits_count: usize,
}

/// The most classes that `hrvit_engine_classify` ranks.
pub const HRVIT_MOST_RANKED: usize = 32;

/// A class and how much the network is for it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct hrvit_ranked {
    /// Class index.
    pub class_index: u32,
    /// Its logit, as a real value.
    pub logit: f32,
}

/// For `hrvit_step.event`: the step begins.
pub const HRVIT_STEP_BEGINS: u32 = 0;
/// For `hrvit_step.event`: the step has ended.
pub const HRVIT_STEP_ENDED: u32 = 1;

/// A step of a frame, as the step callback sees it. Later versions may append fields.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct hrvit_step {
    /// Bytes of this structure, set by the library.
    pub struct_size: u32,
    /// `HRVIT_STEP_BEGINS` or `HRVIT_STEP_ENDED`.
    pub event: u32,
    /// Number of the step; `hrvit_model_step_name` names it.
    pub index: u32,
    /// Steps of a frame.
    pub count: u32,
    /// Multiply-accumulates of the step.
    pub macs: u64,
}

/// Called when a step begins and when it has ended, on the thread that runs the frame. The label
/// map is a step inside the one that makes logits. Returns 0 to go on; anything else ends the
/// frame before the next step, with `HRVIT_ERROR_STOPPED`. The engine is ready for another frame.
///
/// It may call functions on models and on other engines. It must return: no `longjmp`, no exception.
#[cfg(feature = "std")]
pub type hrvit_step_fn = Option<unsafe extern "C-unwind" fn(context: *mut c_void, step: *const hrvit_step) -> i32>;

/// The same where nothing unwinds.
///
/// cbindgen:ignore
#[cfg(not(feature = "std"))]
pub type hrvit_step_fn = Option<unsafe extern "C" fn(context: *mut c_void, step: *const hrvit_step) -> i32>;

/// Asks for row `y` of a frame: `row_bytes` (`width * 3`) bytes of RGB, to be written to `row`.
/// Called on the thread that runs the frame, for every row once, in order. Returns 0; anything else
/// ends the frame with `HRVIT_ERROR_ROW`.
///
/// It may call functions on models and on other engines. It must return: no `longjmp`, no exception.
#[cfg(feature = "std")]
pub type hrvit_row_fn = Option<unsafe extern "C-unwind" fn(context: *mut c_void, y: u32, row: *mut u8, row_bytes: usize) -> i32>;

/// The same where nothing unwinds.
///
/// cbindgen:ignore
#[cfg(not(feature = "std"))]
pub type hrvit_row_fn = Option<unsafe extern "C" fn(context: *mut c_void, y: u32, row: *mut u8, row_bytes: usize) -> i32>;

/// How to run a frame. Zeros are the defaults.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct hrvit_run_options {
    /// `sizeof(hrvit_run_options)`, set by the caller.
    pub struct_size: u32,
    /// 0.
    pub flags: u32,
    /// Called at every step; NULL: not called.
    pub step: hrvit_step_fn,
    /// Handed to `step`.
    pub step_context: *mut c_void,
}

/// Types that callers hand over by pointer.
macro_rules! sized {
    ($($type:ty: $first:expr),* $(,)?) => {$(
        // SAFETY: `repr(C)`, a `u32` first, then integers, floats, raw pointers, arrays of integers
        // and options of function pointers: any bytes will do.
        unsafe impl SizedStruct for $type {
            const FIRST: usize = $first;
        }
    )*};
}

// The sizes of version 1 of the ABI: structures that grow keep these numbers.
sized!(
    hrvit_error: size_of::<hrvit_error>(),
    hrvit_model_options: size_of::<hrvit_model_options>(),
    hrvit_model_info: size_of::<hrvit_model_info>(),
    hrvit_engine_options: size_of::<hrvit_engine_options>(),
    hrvit_engine_info: size_of::<hrvit_engine_info>(),
    hrvit_frame: size_of::<hrvit_frame>(),
    hrvit_segmentation: size_of::<hrvit_segmentation>(),
    hrvit_run_options: size_of::<hrvit_run_options>(),
    hrvit_step: size_of::<hrvit_step>(),
);
