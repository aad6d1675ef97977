//! Opening and closing.

use std::ffi::{CString, c_char};
use std::path::PathBuf;
use std::ptr::{null, null_mut, without_provenance_mut};
use std::sync::OnceLock;

use hrvit_capi::{
    HRVIT_MODEL_COPY, hrvit_engine, hrvit_engine_close, hrvit_engine_info, hrvit_engine_open, hrvit_engine_options, hrvit_error, hrvit_model,
    hrvit_model_close, hrvit_model_open, hrvit_model_open_file, hrvit_model_options, hrvit_plan, hrvit_status,
};
use hrvit_format::aligned::AlignedBytes;

use super::memory::Ends;
use super::world::{OpenedEngine, OpenedModel, RESIDENT, World, described, expected, named, new, planned};
use crate::Choices;
use crate::image::{mend_crcs, segmentor};

/// Models or engines that a sequence may have open: fewer than the library has room for.
const MOST_OPEN: usize = 24;
/// Larger arenas are left alone: a damaged image may ask for any.
const MOST_ARENA: usize = 4 << 20;

/// Options of a model: none, or some.
fn options(world: &mut World, choices: &mut Choices<'_>, flags: u32) -> (*const hrvit_model_options, Ends) {
    if flags == 0 && choices.one_in(2) {
        return (null(), Ends::Well);
    }
    let mut options = new::<hrvit_model_options>();
    options.flags = flags;
    match world.memory.structure(choices, options, true) {
        // None are the defaults.
        (options, _) if options.is_null() => (options, if flags == 0 { Ends::Well } else { Ends::Either }),
        (options, ends) => (options, ends),
    }
}

/// Opens an image that is whole: in place, or a copy of it from anywhere.
pub fn model(world: &mut World, choices: &mut Choices<'_>) {
    if world.models.len() >= MOST_OPEN {
        return;
    }
    let image = if choices.one_in(8) { named() } else { segmentor(choices.u8().into()) };
    let (copy, more) = (choices.one_in(2), if choices.one_in(4) { choices.below(200) } else { 0 });
    let offset = if choices.one_in(8) { 1 + choices.below(63) } else { 0 };
    let piece = world.memory.piece(offset + image.len() + more, 64).wrapping_add(offset);
    // SAFETY: the piece has so many bytes behind the offset.
    unsafe { piece.copy_from_nonoverlapping(image.as_ptr(), image.len()) };
    let (flags, known) = match choices.u8() {
        0..4 => (2 << choices.below(31), false),
        _ => (if copy { HRVIT_MODEL_COPY } else { 0 }, true),
    };
    let (options, mut ends) = options(world, choices, flags);
    ends = ends.wrong_if(!known && !options.is_null()).wrong_if(offset > 0 && !copy && known);
    let size = image.len() + more;
    open(world, choices, ends, (piece, size), flags == 0, Some(image), |to, error| {
        // SAFETY: the piece has that many bytes; structures are as large as they say.
        unsafe { hrvit_model_open(piece.cast(), size, options, to, error) }
    });
}

/// Opens an image that is cut, or in which bytes were changed, with or without their sums mended.
pub fn damaged(world: &mut World, choices: &mut Choices<'_>) {
    if world.models.len() >= MOST_OPEN {
        return;
    }
    let mut image = segmentor(choices.u8().into()).clone();
    let cut = choices.one_in(2);
    for _ in 0..=choices.below(4) {
        let at = choices.below(image.len());
        image[at] ^= 1 + choices.u8() % 255;
    }
    if choices.one_in(2) {
        mend_crcs(&mut image);
    }
    let bytes = if cut { choices.below(image.len()) } else { image.len() };
    let piece = world.memory.copy(&image[..bytes], 64);
    open(world, choices, Ends::Either, (piece, bytes), true, None, |to, error| {
        // SAFETY: the piece has that many bytes.
        unsafe { hrvit_model_open(piece.cast(), bytes, null(), to, error) }
    });
}

/// Opens a file: one with an image, an empty one, one that is not there, a folder, no name.
pub fn file(world: &mut World, choices: &mut Choices<'_>) {
    if world.models.len() >= MOST_OPEN {
        return;
    }
    let names = files();
    let at = choices.below(names.len() + 1);
    let path: *const c_char = names.get(at).map_or(null(), |name| name.as_ptr());
    let (options, ends) = options(world, choices, 0);
    let image = (at == 0).then(|| segmentor(0));
    open(world, choices, ends.wrong_if(at != 0), (null_mut(), 0), false, image, |to, error| {
        // SAFETY: NULL or a text with a NUL.
        unsafe { hrvit_model_open_file(path, options, to, error) }
    });
}

/// Paths: the first leads to an image, the others to none.
fn files() -> &'static [CString] {
    static FILES: OnceLock<Vec<CString>> = OnceLock::new();
    FILES.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("hrvit-fuzz-capi-{}", std::process::id()));
        let written = |name: &str, bytes: &[u8]| -> PathBuf {
            let path = folder.join(name);
            std::fs::write(&path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            path
        };
        std::fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let cut = &segmentor(0)[..1000];
        let paths = [written("whole", segmentor(0)), written("empty", &[]), written("cut", cut), folder.join("none"), folder.clone()];
        let text = |path: PathBuf| CString::new(path.into_os_string().into_encoded_bytes()).unwrap_or_else(|error| panic!("{error}"));
        paths.into_iter().map(text).collect()
    })
}

/// Opens a model and, if it is open, remembers it.
fn open(
    world: &mut World,
    choices: &mut Choices<'_>,
    ends: Ends,
    place: (*mut u8, usize),
    is_lent: bool,
    image: Option<&'static AlignedBytes>,
    call: impl FnOnce(*mut *mut hrvit_model, *mut hrvit_error) -> hrvit_status,
) {
    let (to, there) = world.memory.buffer::<*mut hrvit_model>(choices, 1);
    let done = world.call(choices, "opening a model", ends.and(there), |error| call(to, error));
    if !done {
        return;
    }
    // SAFETY: what opened a model has written its handle.
    let handle = unsafe { to.read() }.addr();
    let labels = image.and_then(expected);
    let info = described(handle);
    // Bytes behind the image are not lent.
    let lent = is_lent.then_some((place.0, info.image_bytes));
    world.models.push(OpenedModel { handle, lent, info, labels, engines: 0, is_open: true });
}

/// Options of an engine, and how a plan with them ends.
pub fn engine_options(choices: &mut Choices<'_>) -> (hrvit_engine_options, Ends) {
    let (mut options, mut ends) = (new::<hrvit_engine_options>(), Ends::Well);
    match choices.u8() {
        0..2 => options.workers = 2 + u32::from(choices.u8() % 2),
        2..8 => (options.workers, ends) = (9 + choices.u32() / 2, Ends::Badly),
        8..128 => options.workers = 1,
        _ => {}
    }
    match choices.u8() {
        0..24 => (options.height, options.width) = (32 * (1 + u32::from(choices.u8() % 3)), 32 * (1 + u32::from(choices.u8() % 3))),
        24..32 => (options.height, ends) = (32 * u32::from(choices.u8()) + 1 + u32::from(choices.u8() % 31), Ends::Badly),
        32..40 => (options.width, ends) = (4128 + choices.u32() / 2, Ends::Badly),
        _ => {}
    }
    match choices.u8() {
        0..8 => (options.arena_limit, ends) = (choices.u32() as usize, ends.and(Ends::Either)),
        8..16 => options.arena_limit = usize::MAX,
        _ => {}
    }
    match choices.u8() {
        0..32 => options.kernels = c"scalar".as_ptr(),
        32..48 => (options.kernels, ends) = (c"neon_i8mm".as_ptr(), ends.and(Ends::Either)),
        48..56 => (options.kernels, ends) = (c"abacus".as_ptr(), Ends::Badly),
        56..60 => (options.kernels, ends) = (c"".as_ptr(), Ends::Badly),
        _ => {}
    }
    (options, ends)
}

/// Opens an engine in an arena of its own, of the library's, or where there can be none.
pub fn engine(world: &mut World, choices: &mut Choices<'_>) {
    if world.engines.len() >= MOST_OPEN {
        return;
    }
    let (model, opened) = world.model(choices);
    let (mut options, mut ends) = engine_options(choices);
    ends = ends.wrong_if(opened.is_none());
    let mut plan = new::<hrvit_engine_info>();
    // SAFETY: structures of this function.
    let planned_well = unsafe { hrvit_plan(model, &raw const options, &raw mut plan, null_mut()) } == hrvit_status::HRVIT_OK;
    match ends {
        Ends::Well => assert!(planned_well, "no plan"),
        Ends::Badly => assert!(!planned_well, "a plan for nothing"),
        Ends::Either => ends = ends.wrong_if(!planned_well),
    }
    if plan.arena_bytes > MOST_ARENA {
        return;
    }
    // Weights may be packed for other kernels; a damaged image is what it is.
    ends = ends.and(if opened.is_some_and(|at| at < RESIDENT) { Ends::Well } else { Ends::Either });
    let needed = if planned_well { plan.arena_bytes } else { 64 };
    let lent = world.lent(choices, true);
    let (arena, bytes, wrong): (*mut u8, usize, bool) = match choices.u8() {
        0..64 => (null_mut(), 0, false),
        64..68 => (null_mut(), needed, true),
        68..76 => (world.memory.piece(needed, 64), needed - 1, true),
        76..84 => (world.memory.piece(needed + 64, 64).wrapping_add(1 + choices.below(63)), needed, true),
        84..92 => match lent {
            Some((at, size)) if size >= needed => (at, needed, true),
            _ => (null_mut(), 0, false),
        },
        _ => (world.memory.piece(needed + 128, 64), needed + choices.below(129), false),
    };
    (options.arena, options.arena_bytes) = (arena.cast(), bytes);
    let (from, given) = world.memory.structure(choices, options, true);
    // Without options an engine is as well: what was asked for does not count then.
    ends = if from.is_null() { Ends::Either.wrong_if(opened.is_none()) } else { ends.wrong_if(wrong).and(given) };
    let (to, there) = world.memory.buffer::<*mut hrvit_engine>(choices, 1);
    let done = world.call(choices, "opening an engine", ends.and(there), |error| {
        // SAFETY: arenas have the bytes that the options say; structures are as large as they say.
        unsafe { hrvit_engine_open(model, from, to, error) }
    });
    if let (true, Some(at)) = (done, opened) {
        // SAFETY: what opened an engine has written its handle.
        let handle = unsafe { to.read() }.addr();
        let arena = (!from.is_null() && !arena.is_null()).then_some((arena, needed));
        world.engines.push(OpenedEngine { handle, model: at, info: planned(handle), arena, is_open: true });
        world.models[at].engines += 1;
    }
}

/// Whether it stays open as long as the program runs.
fn is_resident(at: usize) -> bool {
    at < RESIDENT
}

/// Closes a model, if it has no engines; one that was closed is a stranger.
pub fn close_model(world: &mut World, choices: &mut Choices<'_>) {
    let (model, opened) = world.model(choices);
    let ends = Ends::Well.wrong_if(opened.is_none_or(|at| world.models[at].engines > 0));
    // SAFETY: structures are as large as they say.
    let done = world.call(choices, "closing a model", ends, |error| unsafe { hrvit_model_close(model, error) });
    if let (true, Some(at)) = (done, opened) {
        world.models[at].is_open = false;
    }
}

/// Closes an engine.
pub fn close_engine(world: &mut World, choices: &mut Choices<'_>) {
    let (engine, opened) = world.engine(choices);
    if opened.is_some_and(is_resident) {
        return;
    }
    // SAFETY: structures are as large as they say.
    let done = world.call(choices, "closing an engine", Ends::Well.wrong_if(opened.is_none()), |error| unsafe { hrvit_engine_close(engine, error) });
    if let (true, Some(at)) = (done, opened) {
        world.engines[at].is_open = false;
        let model = world.engines[at].model;
        world.models[model].engines -= 1;
    }
}

/// Closes all that the sequence opened: engines, then models.
pub fn close_all(world: &mut World) {
    let engines = (0..world.engines.len()).filter(|at| world.engines[*at].is_open && !is_resident(*at));
    for at in engines.collect::<Vec<_>>() {
        // SAFETY: no structure is handed over.
        let status = unsafe { hrvit_engine_close(without_provenance_mut(world.engines[at].handle), null_mut()) };
        assert_eq!(status, hrvit_status::HRVIT_OK, "closing an engine");
        let model = world.engines[at].model;
        world.models[model].engines -= 1;
    }
    for model in world.models.iter().skip(RESIDENT).filter(|model| model.is_open) {
        // SAFETY: no structure is handed over.
        let status = unsafe { hrvit_model_close(without_provenance_mut(model.handle), null_mut()) };
        assert_eq!(status, hrvit_status::HRVIT_OK, "closing a model");
    }
}
