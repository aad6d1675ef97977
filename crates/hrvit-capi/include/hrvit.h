/*
 * hrvit.h: HRViT, a vision transformer for segmentation and classification, on one fixed arena.
 *
 * MIT or Apache-2.0. Made from crates/hrvit-capi/src by `cargo xtask capi --header`: do not edit.
 *
 * From an image to labels: hrvit_model_open or hrvit_model_open_file, hrvit_plan where the arena is
 * yours, hrvit_engine_open, hrvit_engine_segment for every frame, and both closed in the end.
 *
 * These rules hold for every function:
 *
 * - It returns an hrvit_status: HRVIT_OK, or why nothing was done. `error`, the last argument, may
 *   be NULL; else it gets the same code and a sentence. Make it with HRVIT_INIT: without its size
 *   the call is refused (HRVIT_ERROR_STRUCT_SIZE), and nothing is done.
 * - Handles look like pointers but are numbers: the library never reads through them. NULL, closed
 *   and made-up ones give HRVIT_ERROR_HANDLE. Every other pointer must point to memory of the
 *   stated size. NULL is an error code, unless said otherwise.
 * - Structures begin with struct_size: make them with HRVIT_INIT, which sets it and zeros the rest.
 *   Zeros are defaults, so that programs and libraries of different age work together.
 * - Every buffer stays the caller's to free. The library frees what it allocated itself when the
 *   handle is closed.
 * - "Thread-safety" says who may call it when. Functions on one engine run one at a time: a second
 *   call meanwhile is HRVIT_ERROR_BUSY. Models may be used from any number of threads; calls on one
 *   model may wait for one another, for milliseconds while an engine is opened. Frames do not wait
 *   for them. None may be called from an interrupt handler.
 * - Without an operating system (no HRVIT_FEATURE_STD) nothing waits. A task that interrupts
 *   another inside the library may get HRVIT_ERROR_BUSY: always on the same handle, rarely on
 *   another one, since all handles share one table. Sleep for a tick before you try again: the task
 *   that was interrupted must run meanwhile.
 * - "Errors" leaves out what any function may return: HRVIT_ERROR_STRUCT_SIZE and
 *   HRVIT_ERROR_ALIGNMENT for `error` itself, and HRVIT_ERROR_INTERNAL with HRVIT_FEATURE_STD.
 * - Stack: on a microcontroller a task that calls needs 10 KiB. With an operating system a thread
 *   that calls needs 512 KiB free, twice what was measured: 150 KB on AArch64, 252 KB on x86-64.
 *   Attention kernels keep buffers there.
 * - Nothing is allocated, printed or kept in global state beyond the tables of handles and of lent
 *   memory, unless the build has HRVIT_FEATURE_STD and the function says so.
 * - Memory is read and written by the processor. Invalidate its data cache over a frame that DMA
 *   wrote, before the call; clean it over results that DMA will read, after the call.
 * - Sizes are bytes where a name ends in `bytes`, elements where it ends in `count`.
 */

#ifndef HRVIT_H
#define HRVIT_H

#include <stddef.h>
#include <stdint.h>

/* Begins a structure with its size; the rest is zero: hrvit_frame frame = HRVIT_INIT(hrvit_frame);
 * For declarations. To reset one in C: frame = (hrvit_frame)HRVIT_INIT(hrvit_frame); in C++:
 * frame = hrvit::make<hrvit_frame>() of hrvit.hpp. In C++ it warns with -Wextra, for
 * -Wmissing-field-initializers. There write auto frame = hrvit::make<hrvit_frame>(); instead. */
#ifdef __cplusplus
#define HRVIT_INIT(type) {sizeof(type)}
#else
#define HRVIT_INIT(type) {.struct_size = sizeof(type)}
#endif

/**
 * Version of the interface that this header declares. A program may use every library whose
 * `hrvit_abi_version` is the same: fields and functions are added without a new number.
 */
#define HRVIT_ABI_VERSION 1
/** Alignment of arenas, and of images that are not copied, in bytes. */
#define HRVIT_ALIGNMENT 64
/** For `hrvit_features`: files, and memory of the library's own. */
#define HRVIT_FEATURE_STD 1
/** For `hrvit_features`: more than one worker. */
#define HRVIT_FEATURE_THREADS 2
/** For `hrvit_features`: images with 16-bit activations. */
#define HRVIT_FEATURE_INT16X8 4
/** For `hrvit_features`: images with half-precision steps. */
#define HRVIT_FEATURE_FP16 8
/** The most planes of a camera frame. */
#define HRVIT_CAMERA_PLANES 3
/** For `hrvit_camera_frame.format`: luma; U and V in turn for every 2x2 pixels. */
#define HRVIT_CAMERA_NV12 0
/** For `hrvit_camera_frame.format`: as NV12, V first. */
#define HRVIT_CAMERA_NV21 1
/** For `hrvit_camera_frame.format`: luma; U for every 2x2 pixels; V for every 2x2 pixels. */
#define HRVIT_CAMERA_I420 2
/** For `hrvit_camera_frame.format`: luma; U for every two pixels of a row; V. */
#define HRVIT_CAMERA_I422 3
/** For `hrvit_camera_frame.format`: luma; U for every four pixels of a row; V. */
#define HRVIT_CAMERA_I411 4
/** For `hrvit_camera_frame.format`: luma, U and V of every pixel. */
#define HRVIT_CAMERA_I444 5
/** For `hrvit_camera_frame.format`: Y U Y V for every two pixels of a row. */
#define HRVIT_CAMERA_YUYV 6
/** For `hrvit_camera_frame.format`: U Y V Y for every two pixels of a row. */
#define HRVIT_CAMERA_UYVY 7

/**
 * For `hrvit_camera_frame.format`: two bytes a pixel, the lower first; red from bit 11, green from
 * 5.
 */
#define HRVIT_CAMERA_RGB565 8
/** For `hrvit_camera_frame.format`: three bytes a pixel. */
#define HRVIT_CAMERA_RGB 9
/** For `hrvit_camera_frame.format`: three bytes a pixel, blue first. */
#define HRVIT_CAMERA_BGR 10
/** For `hrvit_camera_frame.format`: four bytes a pixel; the fourth is left out. */
#define HRVIT_CAMERA_RGBA 11
/** For `hrvit_camera_frame.format`: four bytes a pixel, blue first; the fourth is left out. */
#define HRVIT_CAMERA_BGRA 12
/** For `hrvit_camera_frame.format`: one byte a pixel, 0 is black and 255 white. */
#define HRVIT_CAMERA_GRAY 13
/** For `hrvit_camera_frame.matrix`: ITU-R BT.601, cameras and standard definition. */
#define HRVIT_CAMERA_BT601 0
/** For `hrvit_camera_frame.matrix`: ITU-R BT.709, high definition. */
#define HRVIT_CAMERA_BT709 1
/** For `hrvit_camera_frame.range`: luma from 16 to 235, chroma from 16 to 240. */
#define HRVIT_CAMERA_LIMITED 0
/** For `hrvit_camera_frame.range`: luma and chroma from 0 to 255. */
#define HRVIT_CAMERA_FULL 1
/** For `hrvit_camera_frame.filter`: the mean of all that a pixel of the input covers. */
#define HRVIT_CAMERA_AREA 0
/** For `hrvit_camera_frame.filter`: the line between the two nearest pixels, in each direction. */
#define HRVIT_CAMERA_BILINEAR 1
/** Bytes of the text in `hrvit_error`, its NUL included. */
#define HRVIT_ERROR_TEXT_BYTES 248

/**
 * For `hrvit_model_options.flags`: copy the image to memory of the library's own. A buffer may
 * lie anywhere; the caller may change or free buffer or file when the function returns. Needs
 * `HRVIT_FEATURE_STD`.
 */
#define HRVIT_MODEL_COPY 1
/** For `hrvit_model_info.head`: a label for every pixel. */
#define HRVIT_HEAD_SEGFORMER 0
/** For `hrvit_model_info.head`: a class for the whole frame. */
#define HRVIT_HEAD_CLASSIFIER 1
/** For `hrvit_model_info.logit_format`: 16-bit codes, `logit_scale` each. */
#define HRVIT_LOGIT_S16 0
/** For `hrvit_model_info.logit_format`: IEEE 754 half precision. */
#define HRVIT_LOGIT_F16 1
/** For `hrvit_model_info.fit`: a picture is resized in each direction on its own. */
#define HRVIT_FIT_STRETCH 0
/** For `hrvit_model_info.fit`: the largest part in its middle that has the input's shape. */
#define HRVIT_FIT_CROP 1

/**
 * For `hrvit_model_info.fit`: all of it, in the middle between bars of the mean colour
 * (`hrvit_model_info.mean`).
 */
#define HRVIT_FIT_LETTERBOX 2

/**
 * For `hrvit_model_info.fit`: resized with its shape kept until it just covers the input. Windows
 * of the input's size slide over it: for one input a frame take the middle.
 */
#define HRVIT_FIT_KEEP_RATIO 3
/** For `hrvit_model_info.contents`: the image names its classes. */
#define HRVIT_HAS_NAMES 1
/** For `hrvit_model_info.contents`: the image has a colour for every class. */
#define HRVIT_HAS_COLOURS 2
/** For `hrvit_model_info.contents`: the image has a golden frame. */
#define HRVIT_HAS_GOLDEN 4
/** For `hrvit_model_info.contents`: some steps have 16-bit activations. */
#define HRVIT_HAS_INT16X8 8

/**
 * For `hrvit_model_info.contents`: some steps are in half precision. Their results may differ
 * between processors in the last bits; those of all other images never do.
 */
#define HRVIT_HAS_FP16 16

/**
 * For `hrvit_frame.format`: 3 bytes a pixel, red, green, blue, 0 to 255, as a JPEG decoder gives
 * them. Mean and deviation are part of the image: do not normalise.
 */
#define HRVIT_FRAME_RGB8 0
/** The most classes that `hrvit_engine_classify` ranks. */
#define HRVIT_MOST_RANKED 32
/** For `hrvit_step.event`: the step begins. */
#define HRVIT_STEP_BEGINS 0
/** For `hrvit_step.event`: the step has ended. */
#define HRVIT_STEP_ENDED 1

/**
 * The end of a call. `HRVIT_OK` is 0; every other code is an error, and nothing was done
 * unless the function says otherwise. Numbers never change; later versions may add some.
 */
enum hrvit_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L

{
    /** All is well. */
    HRVIT_OK = 0,
    /** A pointer is NULL that must not be. */
    HRVIT_ERROR_NULL = 1,
    /** Not an open handle of this kind: NULL, closed, or never opened. */
    HRVIT_ERROR_HANDLE = 2,
    /**
     * Another call works with this handle, or with the tables of the library: sleep for a tick,
     * then try again.
     */
    HRVIT_ERROR_BUSY = 3,
    /** The model has open engines: close them first. */
    HRVIT_ERROR_IN_USE = 4,
    /** Too many models or engines are open at a time. */
    HRVIT_ERROR_SLOTS = 5,
    /**
     * A structure's `struct_size` is not one that this library knows, or fields that it does not
     * know are not zero.
     */
    HRVIT_ERROR_STRUCT_SIZE = 6,
    /** An argument or a field is out of its range. */
    HRVIT_ERROR_ARGUMENT = 7,
    /** A pointer does not have the alignment that is asked for. */
    HRVIT_ERROR_ALIGNMENT = 8,
    /** Buffers overlap each other, an arena or an image. */
    HRVIT_ERROR_OVERLAP = 9,
    /** A buffer does not have the size that is asked for. */
    HRVIT_ERROR_SIZE = 10,
    /** The arena is smaller than the plan. */
    HRVIT_ERROR_ARENA = 11,
    /** There is no memory for what the library was to allocate. */
    HRVIT_ERROR_MEMORY = 12,
    /** The file cannot be read. */
    HRVIT_ERROR_FILE = 13,
    /** The bytes are no valid model image: cut, corrupt or contradictory. */
    HRVIT_ERROR_IMAGE = 14,
    /** The image has a format version that this library does not read. */
    HRVIT_ERROR_VERSION = 15,
    /**
     * The image's weights are packed for another processor (`hrvit_engine_open`), or in a way that
     * this library does not know (`hrvit_model_open`).
     */
    HRVIT_ERROR_PACKING = 16,
    /** This build of the library cannot do it: see `hrvit_features`. */
    HRVIT_ERROR_UNSUPPORTED = 17,
    /** The model's head does not give this result. */
    HRVIT_ERROR_HEAD = 18,
    /** There is no plan for this input size, number of workers or arena limit. */
    HRVIT_ERROR_PLAN = 19,
    /** The step callback stopped the frame. */
    HRVIT_ERROR_STOPPED = 20,
    /** The row callback could not give a row. */
    HRVIT_ERROR_ROW = 21,
    /** The image does not have it: names, colours, a golden frame. */
    HRVIT_ERROR_MISSING = 22,
    /** A defect of this library. Close what was open, and report it. */
    HRVIT_ERROR_INTERNAL = 23,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hrvit_status hrvit_status;
#else
typedef int32_t hrvit_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * A model, a plan and an arena, ready to run frames. Opaque: use it by pointer only. A closed
 * handle is recognised.
 */
typedef struct hrvit_engine hrvit_engine;

/** A checked model image. Opaque: use it by pointer only. A closed handle is recognised. */
typedef struct hrvit_model hrvit_model;

/** How to open a model. Zeros are the defaults. */
typedef struct hrvit_model_options
{
    /** `sizeof(hrvit_model_options)`, set by the caller. */
    uint32_t struct_size;
    /** 0, or `HRVIT_MODEL_COPY`. */
    uint32_t flags;
} hrvit_model_options;

/**
 * The end of a call, in words. Every function that returns `hrvit_status` fills one in if it
 * is given one; NULL is fine where the code is enough.
 *
 *     hrvit_error error = HRVIT_INIT(hrvit_error);
 *     if (hrvit_model_open_file("b1.hrvit", NULL, &model, &error) != HRVIT_OK)
 *         fprintf(stderr, "%s\n", error.text);
 */
typedef struct hrvit_error
{
    /** `sizeof(hrvit_error)`, set by the caller. */
    uint32_t struct_size;
    /** The code that the function returned, an `hrvit_status`. */
    int32_t status;
    /**
     * One sentence in English, in UTF-8, that ends with a NUL: the thing that is wrong, and what
     * was expected or what to do. A longer one is cut after a whole character. Empty after
     * `HRVIT_OK`.
     */
    char text[HRVIT_ERROR_TEXT_BYTES];
} hrvit_error;

/** Facts about an image, as it says them itself. */
typedef struct hrvit_model_info
{
    /** `sizeof(hrvit_model_info)`, set by the caller. */
    uint32_t struct_size;
    /** `HRVIT_HEAD_SEGFORMER` or `HRVIT_HEAD_CLASSIFIER`. */
    uint32_t head;
    /** Classes: labels are below it. At most 256 for segmentation, 32767 for classification. */
    uint32_t classes;
    /** Rows of pixels of the input that the image was made for, a multiple of 32. */
    uint32_t height;
    /** Columns of pixels of that input, a multiple of 32. */
    uint32_t width;
    /**
     * How pictures of another shape were fitted when the image was made: `HRVIT_FIT_...`. A
     * program fits RGB frames in the same way, with a triangle as wide as the scale (Pillow's
     * `BILINEAR`), and gives the value to `hrvit_camera_frame.fit`. See docs/inputs.md.
     */
    uint32_t fit;
    /** Steps of a frame. */
    uint32_t steps;
    /** `HRVIT_LOGIT_S16` or `HRVIT_LOGIT_F16`. */
    uint32_t logit_format;
    /** Real value of one code of a logit; 1 in half precision. */
    float logit_scale;
    /** Sum of `HRVIT_HAS_...`. */
    uint32_t contents;
    /**
     * Number that the image was made with (`hrvit quantize --sequence N`): of two valid images the
     * one with the greater serial number is newer. It may wrap: `(int32_t)(a - b) > 0` says that
     * `a` is newer than `b` (RFC 1982).
     */
    uint32_t sequence;
    /**
     * Mean colour that frames are normalised by, rounded: red, green, blue, 0 to 255, then 0. Bars
     * beside a letterboxed picture have it (`HRVIT_FIT_LETTERBOX`).
     */
    uint8_t mean[4];
    /** Bytes of the image, without what lies behind it in its slot of flash. */
    size_t image_bytes;
} hrvit_model_info;

/**
 * How to plan an engine, and its arena. Zeros are the defaults.
 *
 * The same structure goes to `hrvit_plan`, which says how many bytes the arena must have, and to
 * `hrvit_engine_open`.
 */
typedef struct hrvit_engine_options
{
    /** `sizeof(hrvit_engine_options)`, set by the caller. */
    uint32_t struct_size;
    /**
     * Threads that share the work of a frame: 1 to 8 (2 where pointers have 32 bits), without
     * `HRVIT_FEATURE_THREADS` 1; 0 is 1. No number of them changes a byte of a result. From 2 on
     * they are threads of the library's own, started with the engine; the calling thread waits for
     * them. Whole frames without a callback and without padding use them best. They do not survive
     * `fork`. They keep their cores busy while a frame runs; between frames they sleep. On Linux
     * they take over affinity, scheduling policy and signal mask of the thread that opens the
     * engine.
     */
    uint32_t workers;
    /**
     * Rows of a frame, a multiple of 32 from 32 to 4096; 0: the image's own. A size much larger
     * than that is refused where an attention would be longer than the image's codes allow
     * (`HRVIT_ERROR_PLAN`: quantise for that size). The golden frame has the image's own size.
     */
    uint32_t height;
    /** Columns of a frame, as `height`. */
    uint32_t width;
    /**
     * Memory for the engine, at a multiple of `HRVIT_ALIGNMENT` bytes, in use until the engine is
     * closed. It is the busiest of all buffers: choose the fastest memory that has room. NULL: the
     * library allocates it, which needs `HRVIT_FEATURE_STD`.
     */
    void *arena;
    /**
     * Bytes of `arena`, at least those that the plan asks for; 0 where `arena` is NULL. Those
     * beyond the plan are not used: `arena_limit` lets the plan use them.
     */
    size_t arena_bytes;
    /**
     * Plan for an arena of at most this many bytes: a larger one may save instructions. Too small
     * a limit is `HRVIT_ERROR_PLAN`. 0: the smallest arena. With a static arena:
     * `options.arena_limit = options.arena_bytes = sizeof arena`.
     */
    size_t arena_limit;
    /**
     * Kernels to run on, by the name of an instruction set: `scalar`, `dsp`, `mve`, `neon`,
     * `neon_dotprod`, `neon_i8mm`, `avx2`, `avx_vnni` or `avx512`. NULL: the fastest that this
     * processor has. A library for Cortex-M has one set only. Read during the call only. The plan
     * does not depend on it.
     */
    const char *kernels;
} hrvit_engine_options;

/** Memory and buffer sizes of an engine. */
typedef struct hrvit_engine_info
{
    /** `sizeof(hrvit_engine_info)`, set by the caller. */
    uint32_t struct_size;
    /** Threads that share the work of a frame. */
    uint32_t workers;
    /** Rows of a frame. */
    uint32_t height;
    /** Columns of a frame. */
    uint32_t width;
    /** Multiply-accumulates of a frame. */
    uint64_t macs;
    /** Bytes of the arena. */
    size_t arena_bytes;
    /** Bytes of a frame without padding between rows: `height * width * 3`. */
    size_t frame_bytes;
    /** Bytes of a label map, and of a map of margins: `height * width`; 0 of a classifier. */
    size_t label_bytes;
    /** Elements of the logits: `height / 4 * width / 4 * classes`, or `classes` of a classifier. */
    size_t logit_count;
    /** Instruction set of the kernels, with a NUL. */
    char kernels[16];
} hrvit_engine_info;

/**
 * A frame in the caller's memory, row by row from the top, of exactly the engine's height and
 * width: the library does not resize. It is only read, and only during the call; it may lie in the
 * image (a golden frame), but not in an arena.
 */
typedef struct hrvit_frame
{
    /** `sizeof(hrvit_frame)`, set by the caller. */
    uint32_t struct_size;
    /** `HRVIT_FRAME_RGB8`. */
    uint32_t format;
    /** The first pixel. */
    const uint8_t *pixels;
    /**
     * Bytes from the first pixel on: exactly `frame_bytes` of the plan where `row_bytes` is 0,
     * else at least `(height - 1) * row_bytes + width * 3`.
     */
    size_t bytes;
    /**
     * Bytes from one row to the next, at least `width * 3`; 0: rows have no padding. Padded rows
     * are for `hrvit_engine_segment` alone.
     */
    size_t row_bytes;
} hrvit_frame;

/**
 * Buffers for the results of a frame, row by row from the top, without padding. Sizes must be
 * exactly `label_bytes` and `logit_count` of the plan. No two buffers may overlap, nor any of them
 * the frame, an arena or an image.
 */
typedef struct hrvit_segmentation
{
    /** `sizeof(hrvit_segmentation)`, set by the caller. */
    uint32_t struct_size;
    /**
     * Shift of the margins, 0 to 31: a margin is `min(255, distance >> shift)`. `distance` is the
     * best logit of a pixel minus the second best, in 1/64 of a code (half precision: in 1/4096 of
     * a logit). `hrvit_model_margin_shift` gives a shift, `hrvit_model_margin_unit` what it stands
     * for.
     */
    uint32_t margin_shift;
    /**
     * `height * width` bytes: the class of every pixel, the one with the largest logit. Logits are
     * interpolated (bilinear) between their positions; the lower index wins among equals. Not
     * NULL.
     */
    uint8_t *labels;
    /** Bytes of `labels`. */
    size_t labels_bytes;
    /**
     * `height * width` bytes: how far the label of every pixel is ahead of the second best class;
     * 255 everywhere if there is one class. NULL: not asked for.
     */
    uint8_t *margins;
    /** Bytes of `margins`; 0 where it is NULL. */
    size_t margins_bytes;
    /**
     * `height / 4` rows of `width / 4` positions of `classes` logits, what the labels are made
     * from. NULL: not asked for.
     */
    int16_t *logits;
    /** Elements of `logits`; 0 where it is NULL. */
    size_t logits_count;
} hrvit_segmentation;

/** A step of a frame, as the step callback sees it. Later versions may append fields. */
typedef struct hrvit_step
{
    /** Bytes of this structure, set by the library. */
    uint32_t struct_size;
    /** `HRVIT_STEP_BEGINS` or `HRVIT_STEP_ENDED`. */
    uint32_t event;
    /** Number of the step; `hrvit_model_step_name` names it. */
    uint32_t index;
    /** Steps of a frame. */
    uint32_t count;
    /** Multiply-accumulates of the step. */
    uint64_t macs;
} hrvit_step;

/**
 * Called when a step begins and when it has ended, on the calling thread. `step` is valid
 * until it returns. Every step begins and ends once in a frame that is not stopped. But
 * `hrvit_engine_logits` of a segmentor makes no label map and leaves that step out. Steps may
 * enclose others: the label map lies within the step that makes the logits. The steps of a
 * classifier's head all begin, then all end in reverse.
 *
 * Returns 0 to go on. Anything else ends the frame before the next step begins, with
 * `HRVIT_ERROR_STOPPED`; steps that have begun may still report their end. After the last step
 * there is nothing to stop: the frame is `HRVIT_OK`. The engine is ready for another frame.
 *
 * A frame that is to be stopped still ends the step that it is in: the longest step is the longest
 * wait (`hrvit profile --steps`). A watchdog can be fed here.
 *
 * It may call functions on models and on other engines. It must return: no `longjmp`, no
 * exception.
 */
typedef int32_t (*hrvit_step_fn)(void *context, const struct hrvit_step *step);

/** How to run a frame. Zeros are the defaults. */
typedef struct hrvit_run_options
{
    /** `sizeof(hrvit_run_options)`, set by the caller. */
    uint32_t struct_size;
    /** 0. */
    uint32_t flags;
    /** Called at every step; NULL: not called. */
    hrvit_step_fn step;
    /** Handed to `step`. */
    void *step_context;
} hrvit_run_options;

/**
 * Asks for row `y` of a frame: `row_bytes` (`width * 3`) bytes of RGB, to be written to `row`.
 * `row` is memory of the engine, valid until the function returns; its bytes mean nothing before.
 * Called on the calling thread, for every row once, in order, within the first step: its time
 * counts as the step's. Returns 0; anything else ends the frame with `HRVIT_ERROR_ROW`. The engine
 * is ready for another frame.
 *
 * It may call functions on models and on other engines. It must return: no `longjmp`, no
 * exception.
 */
typedef int32_t (*hrvit_row_fn)(void *context, uint32_t y, uint8_t *row, size_t row_bytes);

/** A class and its logit. It has no size of its own and never grows. */
typedef struct hrvit_ranked
{
    /** Class index. */
    uint32_t class_index;
    /** Its logit, as a real value. */
    float logit;
} hrvit_ranked;

/**
 * A frame as a camera left it, and which part of it the network sees. Zeros are the defaults, but
 * for sides and planes. `docs/camera.md` has the formulas.
 *
 * A view is made in this order: the region, the rotation, the mirror, the fit.
 */
typedef struct hrvit_camera_frame
{
    /** `sizeof(hrvit_camera_frame)`, set by the caller. */
    uint32_t struct_size;
    /** `HRVIT_CAMERA_NV12` to `HRVIT_CAMERA_GRAY`. */
    uint32_t format;
    /** Pixels of a row, 1 to 65535; even with `HRVIT_CAMERA_YUYV` and `HRVIT_CAMERA_UYVY`. */
    uint32_t width;
    /** Rows, 1 to 65535. */
    uint32_t height;
    /** `HRVIT_CAMERA_BT601` or `HRVIT_CAMERA_BT709`. */
    uint32_t matrix;
    /** `HRVIT_CAMERA_LIMITED` or `HRVIT_CAMERA_FULL`. */
    uint32_t range;
    /** First column of the region; all four of the region 0: the whole frame. */
    uint32_t region_x;
    /** First row of the region. */
    uint32_t region_y;
    /** Columns of the region. */
    uint32_t region_width;
    /** Rows of the region. */
    uint32_t region_height;
    /** Degrees by which the frame is turned to stand upright, clockwise: 0, 90, 180 or 270. */
    uint32_t rotation;
    /** 1: left and right then change places; else 0. */
    uint32_t mirror;
    /**
     * `HRVIT_FIT_STRETCH`, `HRVIT_FIT_CROP` or `HRVIT_FIT_LETTERBOX`; `hrvit_model_info.fit` has
     * the model's.
     */
    uint32_t fit;
    /** `HRVIT_CAMERA_AREA` or `HRVIT_CAMERA_BILINEAR`. */
    uint32_t filter;
    /** Red, green and blue of the bars of a letterbox; the fourth byte is left out. */
    uint8_t bars[4];
    /** 0. */
    uint32_t reserved;
    /**
     * First byte of each plane, in the format's order. Only `hrvit_camera_overlay` writes to them.
     */
    uint8_t *planes[HRVIT_CAMERA_PLANES];
    /** Bytes of each plane; the last row may end with its pixels. */
    size_t plane_bytes[HRVIT_CAMERA_PLANES];
    /** Bytes from one row of a plane to the next; 0: rows have no padding. */
    size_t row_bytes[HRVIT_CAMERA_PLANES];
} hrvit_camera_frame;

/** Colour of a class. */
typedef struct hrvit_ink
{
    /** Red, 0 to 255. */
    uint8_t red;
    /** Green, 0 to 255. */
    uint8_t green;
    /** Blue, 0 to 255. */
    uint8_t blue;
    /** How much of it: 0 leaves the frame as it is, 255 covers it. */
    uint8_t alpha;
} hrvit_ink;

/** Consecutive labels of chosen classes. */
typedef struct hrvit_label_run
{
    /** Number of the first one; rows follow each other. */
    size_t start;
    /** How many there are. */
    size_t length;
} hrvit_label_run;

/** Area and bounding box of a class; the box is 0 without a pixel. */
typedef struct hrvit_extent
{
    /** Pixels of the class. */
    size_t pixels;
    /** First column of the box. */
    uint32_t x;
    /** First row of the box. */
    uint32_t y;
    /** Columns of the box. */
    uint32_t width;
    /** Rows of the box. */
    uint32_t height;
} hrvit_extent;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The `HRVIT_ABI_VERSION` of the library.
 *
 * Errors: none. Thread-safety: any thread, any time.
 *
 *     if (hrvit_abi_version() != HRVIT_ABI_VERSION)
 *         return fail("libhrvit and hrvit.h do not belong together");
 */
uint32_t hrvit_abi_version(void);

/**
 * The version of the project, such as `"0.1.0"`. It lives as long as the library.
 *
 * Errors: none. Thread-safety: any thread, any time.
 *
 *     printf("libhrvit %s\n", hrvit_version());
 */
const char *hrvit_version(void);

/**
 * Abilities of this build of the library: a sum of `HRVIT_FEATURE_...`.
 *
 * Errors: none. Thread-safety: any thread, any time.
 *
 *     if (!(hrvit_features() & HRVIT_FEATURE_STD))
 *         options.arena = arena;  // nobody else brings one
 */
uint32_t hrvit_features(void);

/**
 * One sentence in English for a code; for other numbers a sentence that says so. Never NULL. It
 * lives as long as the library. `hrvit_error.text` says more.
 *
 * Errors: none. Thread-safety: any thread, any time.
 *
 *     puts(hrvit_status_text(hrvit_engine_close(engine, NULL)));
 */
const char *hrvit_status_text(int32_t status);

/**
 * Opens the model image in `bytes` bytes at `image`: checks every byte of it, once.
 *
 * The image must lie at a multiple of `HRVIT_ALIGNMENT` bytes. It is read in place, so that it
 * must stay there, unchanged, until `hrvit_model_close` has returned `HRVIT_OK`. With
 * `HRVIT_MODEL_COPY` it may lie anywhere, and the caller may change or free it when this function
 * returns. `bytes` may exceed the image (a slot of flash): memory behind the image's end stays the
 * caller's and is not copied. `options` may be NULL.
 *
 * Takes: time in proportion to the image, tens of megabytes a second on a microcontroller. Writes
 * the handle to `model`, or NULL after an error (nothing if `error` itself is refused).
 *
 * Errors: `HRVIT_ERROR_NULL`, `_ALIGNMENT`, `_SIZE`, `_STRUCT_SIZE`, `_ARGUMENT` (flags),
 * `_IMAGE`, `_VERSION`, `_PACKING`, `_UNSUPPORTED` (a precision, or a copy without
 * `HRVIT_FEATURE_STD`), `_OVERLAP` (an arena), `_MEMORY`, `_SLOTS` (64 models are open, 2 without
 * `HRVIT_FEATURE_STD`); `_BUSY` without `HRVIT_FEATURE_STD`.
 *
 * Thread-safety: any thread, any time; not from interrupts.
 *
 *     extern const unsigned char image[];  // aligned to HRVIT_ALIGNMENT: see docs/c-api.md
 *     hrvit_model *model = NULL;
 *     hrvit_status status = hrvit_model_open(image, image_bytes, NULL, &model, NULL);
 */
hrvit_status hrvit_model_open(const void *image,
                              size_t bytes,
                              const struct hrvit_model_options *options,
                              struct hrvit_model **model,
                              struct hrvit_error *error);

/**
 * Opens the model image in the file at `path`, a text that ends with a NUL, in UTF-8 on Windows
 * and as the system has it elsewhere. Every byte of the image is checked, once.
 *
 * The file is mapped, and must stay as it is until `hrvit_model_close` has returned `HRVIT_OK`:
 * replace it by a new one of its name, do not write into it. With `HRVIT_MODEL_COPY` it is read
 * to memory of the library's own, and may be changed or gone when this function returns.
 * `options` may be NULL.
 *
 * Takes: time in proportion to the image, some gigabytes a second on a desk, beside the time that
 * the system takes to read the file. Writes the handle to `model`, or NULL after an error (nothing
 * if `error` itself is refused).
 *
 * Errors: those of `hrvit_model_open`, and `HRVIT_ERROR_FILE`; `_UNSUPPORTED` without
 * `HRVIT_FEATURE_STD`.
 *
 * Thread-safety: any thread, any time; not from interrupts.
 *
 *     hrvit_error error = HRVIT_INIT(hrvit_error);
 *     hrvit_model *model = NULL;
 *     if (hrvit_model_open_file("b1.hrvit", NULL, &model, &error) != HRVIT_OK)
 *         fprintf(stderr, "%s\n", error.text);
 */
hrvit_status hrvit_model_open_file(const char *path,
                                   const struct hrvit_model_options *options,
                                   struct hrvit_model **model,
                                   struct hrvit_error *error);

/**
 * Closes a model. The handle becomes invalid; the memory of its image is the caller's.
 *
 * Errors: `HRVIT_ERROR_HANDLE`, `_IN_USE` (close its engines first: the model stays open),
 * `_BUSY` (without `HRVIT_FEATURE_STD`: another task works with the handle or is inside the
 * library; the model stays open).
 *
 * Thread-safety: any thread, any time; not from interrupts.
 *
 *     hrvit_engine_close(engine, NULL);
 *     if (hrvit_model_close(model, NULL) == HRVIT_OK)
 *         free(image);  // of hrvit_model_open without HRVIT_MODEL_COPY
 */
hrvit_status hrvit_model_close(struct hrvit_model *model, struct hrvit_error *error);

/**
 * Writes what an image says of itself to `info`.
 *
 * Errors: `HRVIT_ERROR_HANDLE`, `_NULL`, `_ALIGNMENT`, `_STRUCT_SIZE`; `_BUSY` without
 * `HRVIT_FEATURE_STD`.
 *
 * Thread-safety: any thread, any time; not from interrupts.
 *
 *     hrvit_model_info info = HRVIT_INIT(hrvit_model_info);
 *     if (hrvit_model_describe(model, &info, NULL) == HRVIT_OK)
 *         printf("%u classes at %ux%u\n", info.classes, info.height, info.width);
 */
hrvit_status hrvit_model_describe(const struct hrvit_model *model,
                                  struct hrvit_model_info *info,
                                  struct hrvit_error *error);

/**
 * Writes the name of a class to `text`, UTF-8 that ends with a NUL, into `text_bytes` bytes.
 *
 * 64 bytes are enough for most. A name that does not fit is cut, and an error.
 *
 * Errors: `HRVIT_ERROR_HANDLE`, `_NULL`, `_ARGUMENT` (no such class), `_MISSING` (the image does
 * not name it), `_SIZE` (the text was cut), `_OVERLAP`; `_BUSY` without `HRVIT_FEATURE_STD`.
 *
 * Thread-safety: any thread, any time; not from interrupts.
 *
 *     char name[64];
 *     if (hrvit_model_class_name(model, label, name, sizeof name, NULL) == HRVIT_OK)
 *         puts(name);
 */
hrvit_status hrvit_model_class_name(const struct hrvit_model *model,
                                    uint32_t class_index,
                                    char *text,
                                    size_t text_bytes,
                                    struct hrvit_error *error);

/**
 * Writes the colour of a class, red, green, blue, to the three bytes at `rgb`.
 *
 * Errors: `HRVIT_ERROR_HANDLE`, `_NULL`, `_ARGUMENT` (no such class), `_MISSING` (the image has
 * no colours), `_OVERLAP`; `_BUSY` without `HRVIT_FEATURE_STD`.
 *
 * Thread-safety: any thread, any time; not from interrupts.
 *
 *     uint8_t rgb[3] = {128, 128, 128};
 *     hrvit_model_class_colour(model, label, rgb, NULL);  // grey stays where the image has none
 */
hrvit_status hrvit_model_class_colour(const struct hrvit_model *model,
                                      uint32_t class_index,
                                      uint8_t *rgb,
                                      struct hrvit_error *error);

/**
 * Writes the name of a step, such as `m2.branch.1.0.attn`, to `text`, which ends with a NUL, into
 * `text_bytes` bytes; 32 are enough. A name that does not fit is cut, and an error.
 *
 * Errors: `HRVIT_ERROR_HANDLE`, `_NULL`, `_ARGUMENT` (no such step), `_SIZE` (the text was cut),
 * `_OVERLAP`; `_BUSY` without `HRVIT_FEATURE_STD`.
 *
 * Thread-safety: any thread, any time; not from interrupts.
 *
 *     char name[32];
 *     if (hrvit_model_step_name(model, step->index, name, sizeof name, NULL) == HRVIT_OK)
 *         puts(name);
 */
hrvit_status hrvit_model_step_name(const struct hrvit_model *model,
                                   uint32_t step_index,
                                   char *text,
                                   size_t text_bytes,
                                   struct hrvit_error *error);

/**
 * Finds the golden frame of an image: the frame that was run when the image was made.
 *
 * Writes to `pixels` where it lies, RGB without padding, and to `bytes` its length, `height *
 * width * 3` of the model's own input. It is part of the image: read only, until the model is
 * closed. Its label map has the same bytes on every processor, unless the image has
 * `HRVIT_HAS_FP16`: `hrvit_model_golden_crc` says which.
 *
 * Errors: `HRVIT_ERROR_HANDLE`, `_NULL`, `_ALIGNMENT`, `_MISSING`; `_BUSY` without
 * `HRVIT_FEATURE_STD`.
 *
 * Thread-safety: any thread, any time; not from interrupts.
 *
 *     hrvit_frame frame = HRVIT_INIT(hrvit_frame);
 *     if (hrvit_model_golden_frame(model, &frame.pixels, &frame.bytes, &error) == HRVIT_OK)
 *         status = hrvit_engine_segment(engine, &frame, &results, NULL, &error);
 */
hrvit_status hrvit_model_golden_frame(const struct hrvit_model *model,
                                      const uint8_t **pixels,
                                      size_t *bytes,
                                      struct hrvit_error *error);

/**
 * Writes to `crc` the CRC-32 (zlib's) of what a step of the golden frame left behind when the
 * image was made.
 *
 * It is over the elements row by row, little-endian: `label_bytes` bytes of labels, or
 * `logit_count` logits of 16 bits. The last step, `steps - 1`, leaves the label map of a segmentor
 * or the logits of a classifier: a target that is in order makes the same bytes of the golden
 * frame. Step `steps - 2` of a segmentor leaves its logits (`hrvit_segmentation.logits`). Results
 * of other steps are not to be had here: firmware/README.md, `selftest`.
 *
 * Images with half-precision steps have no CRCs, since last bits differ between processors.
 * Compare with the label map of another machine: a few labels may differ.
 *
 * Errors: `HRVIT_ERROR_HANDLE`, `_NULL`, `_ALIGNMENT`, `_ARGUMENT` (no such step), `_MISSING` (no
 * golden frame, or half precision); `_BUSY` without `HRVIT_FEATURE_STD`.
 *
 * Thread-safety: any thread, any time; not from interrupts.
 *
 *     // After hrvit_model_golden_frame and hrvit_engine_segment:
 *     uint32_t expected;
 *     if (hrvit_model_golden_crc(model, info.steps - 1, &expected, NULL) == HRVIT_OK)
 *         self_test_ok = crc32(labels, labels_bytes) == expected;  // your own crc32, or zlib's
 */
hrvit_status hrvit_model_golden_crc(const struct hrvit_model *model,
                                    uint32_t step_index,
                                    uint32_t *crc,
                                    struct hrvit_error *error);

/**
 * Writes the real values of `count` logits to `values`, which must not overlap them.
 *
 * Errors: `HRVIT_ERROR_HANDLE`, `_NULL`, `_ALIGNMENT`, `_SIZE`, `_OVERLAP`; `_BUSY` without
 * `HRVIT_FEATURE_STD`.
 *
 * Thread-safety: any thread, any time; not from interrupts.
 *
 *     float values[19];  // of the first position
 *     hrvit_model_logit_values(model, logits, 19, values, NULL);
 */
hrvit_status hrvit_model_logit_values(const struct hrvit_model *model,
                                      const int16_t *logits,
                                      size_t count,
                                      float *values,
                                      struct hrvit_error *error);

/**
 * Writes to `shift` the smallest `margin_shift` whose margins reach `range`: the code 255 then
 * stands for a lead of `range` logits or more. 31 if none reaches it.
 *
 * Errors: `HRVIT_ERROR_HANDLE`, `_NULL`, `_ALIGNMENT`; `_BUSY` without `HRVIT_FEATURE_STD`.
 *
 * Thread-safety: any thread, any time; not from interrupts.
 *
 *     // Margins up to 8 logits.
 *     hrvit_model_margin_shift(model, 8.0f, &results.margin_shift, NULL);
 */
hrvit_status hrvit_model_margin_shift(const struct hrvit_model *model,
                                      float range,
                                      uint32_t *shift,
                                      struct hrvit_error *error);

/**
 * Writes to `unit` the difference of logits that one code of a margin stands for at `shift`.
 *
 * Errors: `HRVIT_ERROR_HANDLE`, `_NULL`, `_ALIGNMENT`, `_ARGUMENT` (a shift above 31); `_BUSY`
 * without `HRVIT_FEATURE_STD`.
 *
 * Thread-safety: any thread, any time; not from interrupts.
 *
 *     float unit;
 *     if (hrvit_model_margin_unit(model, results.margin_shift, &unit, NULL) == HRVIT_OK)
 *         printf("%.2f logits ahead\n", (double)unit * results.margins[0]);
 */
hrvit_status hrvit_model_margin_unit(const struct hrvit_model *model,
                                     uint32_t shift,
                                     float *unit,
                                     struct hrvit_error *error);

/**
 * Says how many bytes of arena an engine with these options needs, and the sizes of its buffers.
 *
 * Nothing is opened or allocated; `arena` and `arena_bytes` of the options are not looked at.
 * `options` may be NULL. Writes to `info`.
 *
 * Takes: some milliseconds on a microcontroller.
 *
 * Errors: `HRVIT_ERROR_HANDLE`, `_NULL`, `_ALIGNMENT`, `_STRUCT_SIZE`, `_ARGUMENT` (no such
 * kernels), `_PLAN` (input size, workers, limit; also an attention longer than the image's codes
 * allow), `_UNSUPPORTED` (workers or kernels that this build or this processor lacks); `_BUSY`
 * without `HRVIT_FEATURE_STD`.
 *
 * Thread-safety: any thread, any time; not from interrupts.
 *
 *     hrvit_engine_info info = HRVIT_INIT(hrvit_engine_info);
 *     if (hrvit_plan(model, NULL, &info, NULL) == HRVIT_OK)
 *         printf("%zu bytes of arena\n", info.arena_bytes);
 */
hrvit_status hrvit_plan(const struct hrvit_model *model,
                        const struct hrvit_engine_options *options,
                        struct hrvit_engine_info *info,
                        struct hrvit_error *error);

/**
 * Opens an engine: plans, takes its arena and starts its workers. Several engines may share a
 * model; each needs an arena of its own.
 *
 * `options` may be NULL: one worker, the image's own input size, the fastest kernels, an arena
 * that the library allocates. An arena that is given belongs to the engine until
 * `hrvit_engine_close` has returned `HRVIT_OK`; what it holds before and after means nothing.
 * During a frame nothing is allocated, unless there is more than one worker.
 *
 * Writes the handle to `engine`, or NULL after an error (nothing if `error` itself is refused).
 * The model cannot be closed before it.
 *
 * Takes: as `hrvit_plan`, and starting the threads.
 *
 * Errors: those of `hrvit_plan`, and `HRVIT_ERROR_ARENA` (too small: `hrvit_plan` says what is
 * needed), `_ALIGNMENT` (the arena), `_OVERLAP` (another arena, or an image), `_PACKING`,
 * `_MEMORY`, `_UNSUPPORTED` (no arena given, without `HRVIT_FEATURE_STD`), `_SLOTS` (64 engines
 * are open, 2 without `HRVIT_FEATURE_STD`).
 *
 * Thread-safety: any thread, any time; not from interrupts.
 *
 *     static _Alignas(HRVIT_ALIGNMENT) unsigned char arena[300 * 1024];
 *     hrvit_engine_options options = HRVIT_INIT(hrvit_engine_options);
 *     options.arena = arena;
 *     options.arena_bytes = sizeof arena;
 *     hrvit_engine *engine = NULL;
 *     hrvit_status status = hrvit_engine_open(model, &options, &engine, NULL);
 */
hrvit_status hrvit_engine_open(struct hrvit_model *model,
                               const struct hrvit_engine_options *options,
                               struct hrvit_engine **engine,
                               struct hrvit_error *error);

/**
 * Closes an engine. The handle becomes invalid; the arena is the caller's again.
 *
 * Errors: `HRVIT_ERROR_HANDLE`, `_BUSY` (a frame is running, on another thread or around the
 * callback that calls this; without `HRVIT_FEATURE_STD` also another task that works with its
 * model or is inside the library: the engine stays open).
 *
 * Thread-safety: any thread, any time; not from interrupts.
 *
 *     if (hrvit_engine_close(engine, NULL) == HRVIT_OK)
 *         free(arena);  // of hrvit_engine_options
 */
hrvit_status hrvit_engine_close(struct hrvit_engine *engine, struct hrvit_error *error);

/**
 * Writes what an engine was planned for to `info`.
 *
 * Errors: `HRVIT_ERROR_HANDLE`, `_BUSY` (a frame is running), `_NULL`, `_ALIGNMENT`,
 * `_STRUCT_SIZE`.
 *
 * Thread-safety: any thread, any time; not from interrupts.
 *
 *     hrvit_engine_info info = HRVIT_INIT(hrvit_engine_info);
 *     if (hrvit_engine_describe(engine, &info, NULL) == HRVIT_OK)
 *         labels = malloc(info.label_bytes);
 */
hrvit_status hrvit_engine_describe(const struct hrvit_engine *engine,
                                   struct hrvit_engine_info *info,
                                   struct hrvit_error *error);

/**
 * Segments one frame: a class for every pixel; on request margins and logits, in the same pass.
 *
 * `frame` and `results` say where the pixels are and where the results go; `options` may be NULL.
 * After an error the contents of the result buffers mean nothing.
 *
 * Takes: in proportion to `macs` of the plan; docs/performance.md has figures.
 *
 * Errors: `HRVIT_ERROR_HANDLE`, `_BUSY` (the engine runs another frame; without
 * `HRVIT_FEATURE_STD` also another task that is inside the library), `_NULL`, `_ALIGNMENT`,
 * `_SIZE`, `_OVERLAP`, `_STRUCT_SIZE`, `_ARGUMENT` (format, shift, flags), `_HEAD` (the model is a
 * classifier), `_STOPPED`.
 *
 * Thread-safety: one frame at a time per engine; any thread. Frames of different engines may run
 * at once.
 *
 *     hrvit_frame frame = HRVIT_INIT(hrvit_frame);
 *     frame.pixels = rgb;
 *     frame.bytes = info.frame_bytes;
 *     hrvit_segmentation results = HRVIT_INIT(hrvit_segmentation);
 *     results.labels = labels;
 *     results.labels_bytes = info.label_bytes;
 *     hrvit_status status = hrvit_engine_segment(engine, &frame, &results, NULL, &error);
 */
hrvit_status hrvit_engine_segment(struct hrvit_engine *engine,
                                  const struct hrvit_frame *frame,
                                  const struct hrvit_segmentation *results,
                                  const struct hrvit_run_options *options,
                                  struct hrvit_error *error);

/**
 * Segments one frame that a callback gives row by row, from the top, each row once: the frame need
 * never be whole in memory. `row_context` is handed to `row`. Otherwise as `hrvit_engine_segment`.
 *
 * `row` may be called for several rows in quick succession, then not for a while: it must buffer,
 * or wait for the sensor.
 *
 * Errors: those of `hrvit_engine_segment`, and `HRVIT_ERROR_ROW`, after which `row` is not called
 * again for this frame.
 *
 * Thread-safety: as `hrvit_engine_segment`; `row` is called on the thread that calls.
 *
 *     static int32_t next_row(void *camera, uint32_t y, uint8_t *row, size_t row_bytes)
 *     {
 *         (void)y;
 *         return camera_read_line(camera, row, row_bytes) ? 0 : -1;
 *     }
 *     status = hrvit_engine_segment_rows(engine, next_row, camera, &results, NULL, &error);
 */
hrvit_status hrvit_engine_segment_rows(struct hrvit_engine *engine,
                                       hrvit_row_fn row,
                                       void *row_context,
                                       const struct hrvit_segmentation *results,
                                       const struct hrvit_run_options *options,
                                       struct hrvit_error *error);

/**
 * Classifies one frame: writes the `count` best classes to `ranked`, the best first, the lower
 * index first among equals.
 *
 * `count` is 1 to `HRVIT_MOST_RANKED`, and at most the classes of the model. `options` may be
 * NULL.
 *
 * Errors: those of `hrvit_engine_segment`; `HRVIT_ERROR_HEAD` if the model is a segmentor,
 * `_ARGUMENT` if `count` is out of range, or the frame's rows have padding.
 *
 * Thread-safety: as `hrvit_engine_segment`.
 *
 *     hrvit_ranked best[5];
 *     if (hrvit_engine_classify(engine, &frame, best, 5, NULL, &error) == HRVIT_OK)
 *         printf("class %u, logit %.2f\n", best[0].class_index, (double)best[0].logit);
 */
hrvit_status hrvit_engine_classify(struct hrvit_engine *engine,
                                   const struct hrvit_frame *frame,
                                   struct hrvit_ranked *ranked,
                                   size_t count,
                                   const struct hrvit_run_options *options,
                                   struct hrvit_error *error);

/**
 * Writes the logits of one frame to the `count` elements at `logits`, exactly `logit_count` of the
 * plan: `height / 4` rows of `width / 4` positions of `classes` of a segmentor, `classes` of a
 * classifier. `hrvit_model_logit_values` gives their real values. `options` may be NULL.
 *
 * Errors: those of `hrvit_engine_segment`, but not `HRVIT_ERROR_HEAD`; `_ARGUMENT` also if the
 * frame's rows have padding.
 *
 * Thread-safety: as `hrvit_engine_segment`.
 *
 *     int16_t *logits = malloc(info.logit_count * sizeof *logits);
 *     status = hrvit_engine_logits(engine, &frame, logits, info.logit_count, NULL, &error);
 */
hrvit_status hrvit_engine_logits(struct hrvit_engine *engine,
                                 const struct hrvit_frame *frame,
                                 int16_t *logits,
                                 size_t count,
                                 const struct hrvit_run_options *options,
                                 struct hrvit_error *error);

/**
 * Writes to `scratch_count` how many words of 32 bits `hrvit_engine_segment_camera` needs to make
 * the rows of such frames for this engine: `format`, `width`, `height`, the view and the filter
 * count.
 *
 * Errors: `HRVIT_ERROR_HANDLE`, `_BUSY` (the engine runs a frame), `_NULL`, `_STRUCT_SIZE`,
 * `_ARGUMENT` (format, sides, region, rotation, fit, filter; or sides whose sums have more than 32
 * bits).
 *
 * Thread-safety: any thread, any time; not from interrupts.
 *
 *     size_t words;
 *     if (hrvit_camera_scratch(engine, &frame, &words, &error) == HRVIT_OK)
 *         scratch = malloc(words * sizeof *scratch);
 */
hrvit_status hrvit_camera_scratch(const struct hrvit_engine *engine,
                                  const struct hrvit_camera_frame *frame,
                                  size_t *scratch_count,
                                  struct hrvit_error *error);

/**
 * Segments a frame as a camera left it: its rows are cropped, turned, mirrored, resized and
 * converted to RGB in integers, one by one, as the engine asks for them. Labels are the same on
 * every processor.
 *
 * `scratch` has at least `hrvit_camera_scratch` words, which need not be kept between frames. NULL
 * and 0: the library allocates it for the call, which needs `HRVIT_FEATURE_STD`. `options` may be
 * NULL. The planes are read only.
 *
 * Errors: those of `hrvit_engine_segment` and `hrvit_camera_scratch`; `HRVIT_ERROR_SIZE` if a
 * stride, a plane or the scratch is too short; `_UNSUPPORTED` (no scratch, without
 * `HRVIT_FEATURE_STD`).
 *
 * Thread-safety: as `hrvit_engine_segment`.
 *
 *     hrvit_camera_frame frame = HRVIT_INIT(hrvit_camera_frame);
 *     frame.format = HRVIT_CAMERA_NV12;
 *     frame.width = 1280;
 *     frame.height = 720;
 *     frame.planes[0] = buffer;
 *     frame.plane_bytes[0] = 1280 * 720;
 *     frame.planes[1] = buffer + 1280 * 720;
 *     frame.plane_bytes[1] = 1280 * 360;
 *     status = hrvit_engine_segment_camera(engine, &frame, scratch, words, &results, NULL, &error);
 */
hrvit_status hrvit_engine_segment_camera(struct hrvit_engine *engine,
                                         const struct hrvit_camera_frame *frame,
                                         uint32_t *scratch,
                                         size_t scratch_count,
                                         const struct hrvit_segmentation *results,
                                         const struct hrvit_run_options *options,
                                         struct hrvit_error *error);

/**
 * Lays the colours of labels over a camera's frame, in its own orientation: the only function that
 * writes to the frame. Formats: NV12, NV21, RGB, BGR, RGBA, BGRA.
 *
 * `labels` are the `label_height * label_width` bytes that `hrvit_engine_segment_camera` wrote for
 * such a frame. `palette` has an ink for each class; labels from `palette_count` on, and pixels
 * that the network did not see, stay as they are.
 *
 * Errors: `HRVIT_ERROR_NULL`, `_ALIGNMENT`, `_STRUCT_SIZE`, `_ARGUMENT` (format, sides, view),
 * `_SIZE` (labels, a stride or a plane), `_OVERLAP`.
 *
 * Thread-safety: any thread, any time.
 *
 *     hrvit_ink palette[3] = {{0, 0, 0, 0}, {128, 64, 128, 160}, {0, 255, 0, 160}};
 *     status = hrvit_camera_overlay(&frame, labels, info.label_bytes, info.height, info.width,
 *     palette, 3, &error);
 */
hrvit_status hrvit_camera_overlay(const struct hrvit_camera_frame *frame,
                                  const uint8_t *labels,
                                  size_t labels_bytes,
                                  uint32_t label_height,
                                  uint32_t label_width,
                                  const struct hrvit_ink *palette,
                                  size_t palette_count,
                                  struct hrvit_error *error);

/**
 * Brings a map of `label_height * label_width` bytes (labels or margins) to the pixels of a
 * camera's frame, in its own orientation: `width * height` bytes at `pixels`. Each pixel has the
 * value of the label in which its middle lies, or `outside` (0 to 255) where the network did not
 * see it. The planes of the frame may be NULL.
 *
 * Errors: as `hrvit_camera_overlay`; `HRVIT_ERROR_SIZE` unless `pixels_bytes` is `width * height`.
 *
 * Thread-safety: any thread, any time.
 *
 *     status = hrvit_camera_labels(&frame, labels, info.label_bytes, info.height, info.width, 255,
 *     map, 1280 * 720, &error);
 */
hrvit_status hrvit_camera_labels(const struct hrvit_camera_frame *frame,
                                 const uint8_t *labels,
                                 size_t labels_bytes,
                                 uint32_t label_height,
                                 uint32_t label_width,
                                 uint32_t outside,
                                 uint8_t *pixels,
                                 size_t pixels_bytes,
                                 struct hrvit_error *error);

/**
 * Makes a mask of the `classes_count` classes: a bit for each label, the first of a row in the
 * highest bit of the row's first byte. Each row begins with a byte of its own: `bits_bytes` is
 * `(width + 7) / 8` for each of the `labels_bytes / width` rows.
 *
 * Errors: `HRVIT_ERROR_NULL`, `_SIZE` (`labels_bytes` is no multiple of `width`, or `bits_bytes`
 * another number), `_OVERLAP`.
 *
 * Thread-safety: any thread, any time.
 *
 *     const uint8_t people[] = {9, 10};
 *     status = hrvit_labels_mask(labels, info.label_bytes, info.width, people, 2, bits, bits_bytes,
 *     &error);
 */
hrvit_status hrvit_labels_mask(const uint8_t *labels,
                               size_t labels_bytes,
                               uint32_t width,
                               const uint8_t *classes,
                               size_t classes_count,
                               uint8_t *bits,
                               size_t bits_bytes,
                               struct hrvit_error *error);

/**
 * Writes the runs of labels of the `classes_count` classes to `runs`, in their order, as many as
 * `runs_count` has room for, and how many there are to `found_count`. A run may go on in the next
 * row. `runs` may be NULL where `runs_count` is 0: then they are only counted.
 *
 * Errors: `HRVIT_ERROR_NULL`, `_ALIGNMENT`, `_OVERLAP`; `_SIZE` if there are more runs than room:
 * those that fit and `found_count` are written all the same.
 *
 * Thread-safety: any thread, any time.
 *
 *     size_t found;
 *     hrvit_label_run runs[64];
 *     status = hrvit_labels_runs(labels, info.label_bytes, people, 2, runs, 64, &found, &error);
 */
hrvit_status hrvit_labels_runs(const uint8_t *labels,
                               size_t labels_bytes,
                               const uint8_t *classes,
                               size_t classes_count,
                               struct hrvit_label_run *runs,
                               size_t runs_count,
                               size_t *found_count,
                               struct hrvit_error *error);

/**
 * Writes area and bounding box of classes 0 to `extents_count - 1` to `extents`, in rows of
 * `width` labels.
 *
 * Errors: `HRVIT_ERROR_NULL`, `_ALIGNMENT`, `_OVERLAP`, `_SIZE` (`labels_bytes` is no multiple of
 * `width`).
 *
 * Thread-safety: any thread, any time.
 *
 *     hrvit_extent extents[11];
 *     if (hrvit_labels_extents(labels, info.label_bytes, info.width, extents, 11, &error) == HRVIT_OK)
 *         printf("%zu pixels of road\n", extents[3].pixels);
 */
hrvit_status hrvit_labels_extents(const uint8_t *labels,
                                  size_t labels_bytes,
                                  uint32_t width,
                                  struct hrvit_extent *extents,
                                  size_t extents_count,
                                  struct hrvit_error *error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* HRVIT_H */
