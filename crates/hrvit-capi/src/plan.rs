//! Plans: what an engine will need, before there is one.

use core::ffi::{CStr, c_char};

use hrvit_core::{Head, Isa, Kernels, Model, Plan, Size, Tiling};

use crate::answer::answer;
use crate::failure::Failure;
use crate::model;
use crate::sized::{self, SizedStruct};
use crate::status::*;
use crate::structs::*;

/// Says how many bytes of arena an engine with these options needs, and the sizes of its buffers.
///
/// Nothing is opened or allocated; `arena` and `arena_bytes` of the options are not looked at.
/// `options` may be NULL. Writes to `info`.
///
/// Takes: some milliseconds on a microcontroller.
///
/// Errors: `HRVIT_ERROR_HANDLE`, `_NULL`, `_ALIGNMENT`, `_STRUCT_SIZE`, `_ARGUMENT` (no such
/// kernels), `_PLAN` (input size, workers, limit; also an attention longer than the image's codes
/// allow), `_UNSUPPORTED` (workers or kernels that this build or this processor lacks); `_BUSY`
/// without `HRVIT_FEATURE_STD`.
///
/// Thread-safety: any thread, any time; not from interrupts.
///
/// ```c
/// hrvit_engine_info info = HRVIT_INIT(hrvit_engine_info);
/// if (hrvit_plan(model, NULL, &info, NULL) == HRVIT_OK)
///     printf("%zu bytes of arena\n", info.arena_bytes);
/// ```
///
/// # Safety
/// Pointers are NULL or lead to what is described.
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hrvit_plan(
    model: *const hrvit_model,
    options: *const hrvit_engine_options,
    info: *mut hrvit_engine_info,
    error: *mut hrvit_error,
) -> hrvit_status {
    let call = || {
        // SAFETY: the caller vouches for `options` and for the text in it.
        let (options, kernels) = unsafe {
            let options = sized::read_or_zeros(options)?;
            (options, kernels_of(options.kernels)?)
        };
        let own = model::with(model, |open| Ok(info_of(&plan_of(open.image.model(), &options)?, kernels)))?;
        // SAFETY: the caller vouches for `info`.
        unsafe { sized::write(info, &own) }
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { answer(error, call) }
}

/// The plan that these options ask for.
#[inline(never)] // what it works with would lie on the stack of whoever opens an engine
pub(crate) fn plan_of(model: &Model<'_>, options: &hrvit_engine_options) -> Result<Plan, Failure> {
    let own = model.meta().size;
    let side = |asked: u32, own: u16| match asked {
        0 => own,
        // Numbers too large for the type are too large for a plan, which says so.
        asked => u16::try_from(asked).unwrap_or(u16::MAX),
    };
    let size = Size { height: side(options.height, own.height), width: side(options.width, own.width) };
    let tiling = if options.arena_limit == 0 { Tiling::Smallest } else { Tiling::Within(options.arena_limit) };
    let plan = Plan::for_model(model).size(size).tiling(tiling).workers(options.workers.max(1) as usize).build()?;
    plan.check_model(model)?;
    if plan.workers() > 1 && cfg!(not(feature = "std")) {
        return Err(Failure::text(HRVIT_ERROR_UNSUPPORTED, "this build of the library has one worker"));
    }
    Ok(plan)
}

/// The kernels of that name; the fastest if there is none.
///
/// # Safety
/// `name` is NULL or leads to a text that ends with a NUL.
pub(crate) unsafe fn kernels_of(name: *const c_char) -> Result<Kernels, Failure> {
    if name.is_null() {
        return Ok(Kernels::detect());
    }
    // SAFETY: not NULL; the caller vouches for the rest.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes();
    let isa = Isa::ALL.into_iter().find(|isa| isa.name().as_bytes() == name);
    let isa = isa.ok_or_else(|| Failure::text(HRVIT_ERROR_ARGUMENT, "kernels is not the name of an instruction set"))?;
    Kernels::new(isa).map_err(|_| Failure::text(HRVIT_ERROR_UNSUPPORTED, "this build or this processor does not have these kernels"))
}

/// Needs and sizes of a plan.
pub(crate) fn info_of(plan: &Plan, kernels: Kernels) -> hrvit_engine_info {
    let (size, network) = (plan.size(), plan.network());
    let (labels, logits) = match network.head {
        Head::Segformer => (size.pixels(), size.tokens(0) * usize::from(network.classes)),
        Head::Classifier => (0, usize::from(network.classes)),
    };
    let mut info = hrvit_engine_info::new();
    info.workers = u32::try_from(plan.workers()).unwrap_or(u32::MAX);
    (info.height, info.width) = (size.height.into(), size.width.into());
    info.macs = network.steps().map(|step| plan.macs(step)).sum();
    info.arena_bytes = plan.arena_bytes();
    (info.frame_bytes, info.label_bytes, info.logit_count) = (3 * size.pixels(), labels, logits);
    // The last byte stays a NUL.
    let room = info.kernels.iter_mut().rev().skip(1).rev();
    room.zip(kernels.isa().name().bytes()).for_each(|(to, from)| *to = from as c_char);
    info
}
