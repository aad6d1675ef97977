//! Engines: opening, closing, and what they were planned for.

use hrvit_core::{Engine, Executor, Kernels, Model, Plan, Serial};
#[cfg(feature = "std")]
use {hrvit_core::AlignedBytes, hrvit_core::Threads, std::sync::Arc};

use crate::answer::answer;
use crate::failure::Failure;
use crate::lent::{self, Loan};
use crate::memory::{Place, put, unique};
use crate::model::{self, clear};
use crate::plan::{info_of, kernels_of, plan_of};
use crate::sized;
use crate::slots::{ENGINES, Held, Slots};
use crate::status::*;
use crate::structs::*;

/// An engine that is open.
pub(crate) struct OpenEngine {
    pub engine: Engine<Model<'static>, Arena, Workers>,
    #[cfg(feature = "std")]
    pub workers: Workers,
    /// The handle of its model, which counts it.
    model: *const hrvit_model,
    loan: Loan,
}

// SAFETY: the pointer is a number, and never read through.
unsafe impl Send for OpenEngine {}

static OPEN: Slots<OpenEngine, 11, ENGINES> = Slots::new();

/// Memory of an engine.
pub(crate) enum Arena {
    /// The caller's, until the engine is closed.
    Lent(&'static mut [u8]),
    /// The library's.
    #[cfg(feature = "std")]
    Own(AlignedBytes),
}

impl AsMut<[u8]> for Arena {
    fn as_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Lent(bytes) => bytes,
            #[cfg(feature = "std")]
            Self::Own(bytes) => bytes,
        }
    }
}

/// Who does the work.
#[derive(Clone)]
pub(crate) enum Workers {
    /// The thread that calls.
    Caller,
    /// Threads of the library.
    #[cfg(feature = "std")]
    Threads(Arc<Threads>),
}

impl Workers {
    #[cfg(feature = "std")]
    fn new(workers: usize) -> Result<Self, Failure> {
        if workers == 1 {
            return Ok(Self::Caller);
        }
        let threads = Threads::new(workers).map_err(|error| Failure::owned(HRVIT_ERROR_MEMORY, format!("{workers} threads cannot be started: {error}")))?;
        Ok(Self::Threads(Arc::new(threads)))
    }

    #[cfg(not(feature = "std"))]
    fn new(_: usize) -> Result<Self, Failure> {
        Ok(Self::Caller)
    }
}

impl Executor for Workers {
    fn workers(&self) -> usize {
        match self {
            Self::Caller => Serial.workers(),
            #[cfg(feature = "std")]
            Self::Threads(threads) => threads.workers(),
        }
    }

    fn run(&self, jobs: usize, work: &(dyn Fn(usize, usize) + Sync)) {
        match self {
            Self::Caller => Serial.run(jobs, work),
            #[cfg(feature = "std")]
            Self::Threads(threads) => threads.run(jobs, work),
        }
    }
}

/// The engine of a handle, for one call.
pub(crate) fn take(engine: *const hrvit_engine) -> Result<Held<'static, OpenEngine>, Failure> {
    Ok(OPEN.take(engine.addr())?)
}

/// Opens an engine: plans, takes its arena and starts its workers. Several engines may share a
/// model; each needs an arena of its own.
///
/// `options` may be NULL: one worker, the image's own input size, the fastest kernels, an arena
/// that the library allocates. An arena that is given belongs to the engine until
/// `hrvit_engine_close` has returned `HRVIT_OK`; what it holds before and after means nothing.
/// During a frame nothing is allocated, unless there is more than one worker.
///
/// Writes the handle to `engine`, or NULL after an error (nothing if `error` itself is refused).
/// The model cannot be closed before it.
///
/// Takes: as `hrvit_plan`, and starting the threads.
///
/// Errors: those of `hrvit_plan`, and `HRVIT_ERROR_ARENA` (too small: `hrvit_plan` says what is
/// needed), `_ALIGNMENT` (the arena), `_OVERLAP` (another arena, or an image), `_PACKING`,
/// `_MEMORY`, `_UNSUPPORTED` (no arena given, without `HRVIT_FEATURE_STD`), `_SLOTS` (64 engines
/// are open, 2 without `HRVIT_FEATURE_STD`).
///
/// Thread-safety: any thread, any time; not from interrupts.
///
/// ```c
/// static _Alignas(HRVIT_ALIGNMENT) unsigned char arena[300 * 1024];
/// hrvit_engine_options options = HRVIT_INIT(hrvit_engine_options);
/// options.arena = arena;
/// options.arena_bytes = sizeof arena;
/// hrvit_engine *engine = NULL;
/// hrvit_status status = hrvit_engine_open(model, &options, &engine, NULL);
/// ```
///
/// # Safety
/// Pointers are NULL or lead to what is described.
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hrvit_engine_open(
    model: *mut hrvit_model,
    options: *const hrvit_engine_options,
    engine: *mut *mut hrvit_engine,
    error: *mut hrvit_error,
) -> hrvit_status {
    let call = || {
        // SAFETY: the caller vouches for the pointers.
        let (options, kernels) = unsafe {
            clear(engine)?;
            let options = sized::read_or_zeros(options)?;
            (options, kernels_of(options.kernels)?)
        };
        let handle = model::with(model, |open| {
            let plan = plan_of(open.image.model(), &options)?;
            // SAFETY: the caller vouches for the arena.
            let arena = unsafe { arena_of(&options, plan.arena_bytes())? };
            let opened = start(open.image.model(), plan, arena, kernels, model)?;
            open.engines += 1;
            Ok(opened)
        })?;
        // SAFETY: `clear` found that it leads to a handle of the caller.
        unsafe { put("engine", engine, core::ptr::without_provenance_mut(handle)) }
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { answer(error, call) }
}

/// Starts the workers, enters the arena into the register and fills a slot.
#[inline(never)] // an engine lies on the stack until it is in its slot: not also while it is planned
fn start(image: &Model<'static>, plan: Plan, mut arena: Arena, kernels: Kernels, model: *const hrvit_model) -> Result<usize, Failure> {
    let workers = Workers::new(plan.workers())?;
    let place = Place::of("arena", arena.as_mut());
    let engine = Engine::with_kernels(image.clone(), plan, workers.clone(), arena, kernels)?;
    // Held until the slot is filled: an entry without an engine would never be taken out.
    let mut register = lent::register()?;
    let open = OpenEngine {
        engine,
        #[cfg(feature = "std")]
        workers,
        model,
        loan: register.begin(place, true)?,
    };
    OPEN.insert(open).map_err(|refused| {
        register.end(&refused.content.loan);
        refused.failure("engines")
    })
}

/// The arena that the options give, or one of the library's own.
///
/// # Safety
/// The arena of the options is NULL, or memory that is the library's until the engine is closed.
unsafe fn arena_of(options: &hrvit_engine_options, needed: usize) -> Result<Arena, Failure> {
    if !options.arena.is_null() {
        // Compared first, so that no slice is made of memory that an engine works with.
        if options.arena_bytes < needed {
            return Err(Failure::below(HRVIT_ERROR_ARENA, "arena_bytes", options.arena_bytes, needed));
        }
        let place = crate::memory::Apart::default().add("arena", options.arena.cast::<u8>(), needed)?;
        lent::register()?.check(place, true)?;
        // SAFETY: the caller vouches for it; nothing else that is lent overlaps it.
        return Ok(Arena::Lent(unsafe { unique("arena", options.arena.cast(), needed)? }));
    }
    if options.arena_bytes != 0 {
        return Err(Failure::text(HRVIT_ERROR_NULL, "arena is NULL, but arena_bytes is not 0"));
    }
    #[cfg(feature = "std")]
    return Ok(Arena::Own(crate::memory::zeroed(needed)?));
    #[cfg(not(feature = "std"))]
    Err(Failure::text(HRVIT_ERROR_UNSUPPORTED, "this build of the library has no memory of its own: give it an arena"))
}

/// Closes an engine. The handle becomes invalid; the arena is the caller's again.
///
/// Errors: `HRVIT_ERROR_HANDLE`, `_BUSY` (a frame is running, on another thread or around the
/// callback that calls this; without `HRVIT_FEATURE_STD` also another task that works with its
/// model or is inside the library: the engine stays open).
///
/// Thread-safety: any thread, any time; not from interrupts.
///
/// ```c
/// if (hrvit_engine_close(engine, NULL) == HRVIT_OK)
///     free(arena);  // of hrvit_engine_options
/// ```
///
/// # Safety
/// `error` is NULL or leads to what is described.
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hrvit_engine_close(engine: *mut hrvit_engine, error: *mut hrvit_error) -> hrvit_status {
    let call = || {
        let model = take(engine)?.get()?.model;
        // The model's slot first: see the order of locks in `lent`.
        model::with(model, |open| {
            let mut held = take(engine)?;
            lent::register()?.end(&held.get()?.loan);
            open.engines = open.engines.saturating_sub(1);
            // Dropped when the slot is free: a pool of threads takes its time to end.
            Ok(held.remove())
        })
        .map(drop)
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { answer(error, call) }
}

/// Writes what an engine was planned for to `info`.
///
/// Errors: `HRVIT_ERROR_HANDLE`, `_BUSY` (a frame is running), `_NULL`, `_ALIGNMENT`,
/// `_STRUCT_SIZE`.
///
/// Thread-safety: any thread, any time; not from interrupts.
///
/// ```c
/// hrvit_engine_info info = HRVIT_INIT(hrvit_engine_info);
/// if (hrvit_engine_describe(engine, &info, NULL) == HRVIT_OK)
///     labels = malloc(info.label_bytes);
/// ```
///
/// # Safety
/// Pointers are NULL or lead to what is described.
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hrvit_engine_describe(engine: *const hrvit_engine, info: *mut hrvit_engine_info, error: *mut hrvit_error) -> hrvit_status {
    let call = || {
        let mut held = take(engine)?;
        let open = held.get()?;
        let own = info_of(open.engine.plan(), open.engine.kernels());
        // SAFETY: the caller vouches for `info`.
        unsafe { sized::write(info, &own) }
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { answer(error, call) }
}
