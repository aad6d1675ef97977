//! The open handles of a C program, and its knowledge of them.

use std::collections::HashMap;
use std::ffi::c_char;
use std::ptr::{null, null_mut, without_provenance_mut};
use std::sync::{Mutex, OnceLock, PoisonError};

use hrvit_capi::{hrvit_engine, hrvit_engine_info, hrvit_engine_options, hrvit_error, hrvit_model, hrvit_model_info, hrvit_status};
use hrvit_core::{Engine, Kernels, Model, NoObserver, Plan, Serial};
use hrvit_format::aligned::AlignedBytes;
use hrvit_format::record::Precision;
use hrvit_format::{Golden, Head, Size};
use hrvit_tests::random_image::{named_image, random_frame};
use hrvit_tests::specs::tiny;

use super::made;
use super::memory::{Ends, Memory};
use crate::Choices;
use crate::image::{classifier, segmentor};

/// Models and engines at the beginning of the lists that are never closed.
pub const RESIDENT: usize = 5;

/// A model that was opened.
#[derive(Clone, Debug)]
pub struct OpenedModel {
    /// Its handle.
    pub handle: usize,
    /// Place of its image, if it is read in place.
    pub lent: Option<(*mut u8, usize)>,
    /// Its own description.
    pub info: hrvit_model_info,
    /// Its label map of [`frame`], if it is the same on every instruction set.
    pub labels: Option<&'static [u8]>,
    /// Engines that use it.
    pub engines: usize,
    /// Whether it has not been closed.
    pub is_open: bool,
}

/// An engine that was opened.
#[derive(Clone, Debug)]
pub struct OpenedEngine {
    /// Its handle.
    pub handle: usize,
    /// Which model it runs.
    pub model: usize,
    /// The plan that it was opened with.
    pub info: hrvit_engine_info,
    /// Its arena, if it was lent.
    pub arena: Option<(*mut u8, usize)>,
    /// Whether it has not been closed.
    pub is_open: bool,
}

/// Everything of one sequence.
pub struct World {
    /// Its memory, freed when everything is closed.
    pub memory: Memory,
    /// Models, open or closed.
    pub models: Vec<OpenedModel>,
    /// Engines, open or closed.
    pub engines: Vec<OpenedEngine>,
    /// Frames that may still run to their end: they take most of the time.
    pub frames: usize,
    /// Frames that did.
    pub frames_run: usize,
}

/// A handle, and whether it is one of an open thing.
pub type Chosen<T> = (*mut T, Option<usize>);

impl World {
    /// A program that has some models and engines open, as long as it runs.
    pub fn new(frames: usize) -> Self {
        let (models, engines) = resident();
        Self { memory: Memory::default(), models, engines, frames, frames_run: 0 }
    }

    /// A model's handle: mostly of an open one.
    pub fn model(&self, choices: &mut Choices<'_>) -> Chosen<hrvit_model> {
        if choices.one_in(32) {
            return (stranger(choices, self.engines.first().map_or(0, |engine| engine.handle)), None);
        }
        let at = choices.below(self.models.len());
        (without_provenance_mut(self.models[at].handle), Some(at).filter(|at| self.models[*at].is_open))
    }

    /// An engine's handle: mostly of an open one.
    pub fn engine(&self, choices: &mut Choices<'_>) -> Chosen<hrvit_engine> {
        if choices.one_in(32) {
            return (stranger(choices, self.models.first().map_or(0, |model| model.handle)), None);
        }
        let at = choices.below(self.engines.len());
        (without_provenance_mut(self.engines[at].handle), Some(at).filter(|at| self.engines[*at].is_open))
    }

    /// Memory that is lent at the moment: images, and with `arenas` those too.
    pub fn lent(&self, choices: &mut Choices<'_>, arenas: bool) -> Option<(*mut u8, usize)> {
        let images = self.models.iter().filter(|model| model.is_open).filter_map(|model| model.lent);
        let arenas = self.engines.iter().filter(|engine| engine.is_open && arenas).filter_map(|engine| engine.arena);
        let all: Vec<_> = images.chain(arenas).collect();
        if all.is_empty() { None } else { Some(all[choices.below(all.len())]) }
    }

    /// Makes a call and compares its end with what it must be.
    pub fn call(&mut self, choices: &mut Choices<'_>, what: &'static str, ends: Ends, call: impl FnOnce(*mut hrvit_error) -> hrvit_status) -> bool {
        let (error, ends) = match choices.u8() {
            // Nothing is done where the error could not be told.
            0..64 => match self.memory.structure(choices, new::<hrvit_error>(), false) {
                (error, _) if error.is_null() => (error, ends),
                (error, told) => (error, ends.and(told)),
            },
            _ => (null_mut(), ends),
        };
        let status = call(error);
        made::count(what, status);
        assert_ne!(status, hrvit_status::HRVIT_ERROR_INTERNAL, "{what}: a defect");
        match ends {
            Ends::Well => assert_eq!(status, hrvit_status::HRVIT_OK, "{what}"),
            Ends::Badly => assert_ne!(status, hrvit_status::HRVIT_OK, "{what}"),
            Ends::Either => {}
        }
        if !error.is_null() && error.is_aligned() {
            self::told(what, error, status);
        }
        status == hrvit_status::HRVIT_OK
    }
}

/// Checks what an error structure says.
fn told(what: &str, error: *mut hrvit_error, status: hrvit_status) {
    // SAFETY: the first field is there in any case.
    let size = unsafe { error.cast::<u32>().read() } as usize;
    if size < size_of::<hrvit_error>() {
        return;
    }
    // SAFETY: a whole structure.
    let error = unsafe { error.read() };
    assert_eq!(error.status, status as i32, "{what}: another code in the error structure");
    let text: Vec<u8> = error.text.iter().take_while(|byte| **byte != 0).map(|byte| *byte as u8).collect();
    assert!(text.len() < error.text.len() && std::str::from_utf8(&text).is_ok(), "{what}: {text:?}");
    assert_eq!(text.is_empty(), status == hrvit_status::HRVIT_OK, "{what}: {text:?}");
}

/// A value that is no open handle of this kind: NULL, an address, a handle of the other kind, or
/// one with other bits.
fn stranger<T>(choices: &mut Choices<'_>, other: usize) -> *mut T {
    without_provenance_mut(match choices.below(4) {
        0 => 0,
        1 => choices.u64() as usize & !1,
        2 => other,
        // No table has a slot of so high a generation.
        _ => other | 1 << (usize::BITS - 1),
    })
}

/// A structure of zeros that has its size.
pub fn new<T: Copy>() -> T {
    // SAFETY: structures of the header are valid as zeros.
    let mut value: T = unsafe { std::mem::zeroed() };
    let size = u32::try_from(size_of::<T>()).unwrap_or_else(|error| panic!("{error}"));
    // SAFETY: all of them begin with a `u32`.
    unsafe { std::ptr::from_mut(&mut value).cast::<u32>().write(size) };
    value
}

/// Frames by height and width.
type Frames = HashMap<(u32, u32), &'static [u8]>;

/// The frame that label maps are known of.
pub fn frame(height: u32, width: u32) -> &'static [u8] {
    static FRAMES: OnceLock<Mutex<Frames>> = OnceLock::new();
    let mut frames = FRAMES.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    frames.entry((height, width)).or_insert_with(|| random_frame(size(height, width), 7).leak())
}

fn size(height: u32, width: u32) -> Size {
    let side = |side: u32| u16::try_from(side).unwrap_or_else(|error| panic!("{side}: {error}"));
    Size::new(side(height), side(width)).unwrap_or_else(|error| panic!("{error}"))
}

/// The label map of [`frame`] from plain code, without the C interface; `None` of classifiers and
/// of half precision.
pub fn expected(image: &'static AlignedBytes) -> Option<&'static [u8]> {
    type Known = HashMap<usize, Option<&'static [u8]>>;
    static KNOWN: OnceLock<Mutex<Known>> = OnceLock::new();
    let mut known = KNOWN.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    *known.entry(image.as_ptr().addr()).or_insert_with(|| {
        let model = Model::load(image).unwrap_or_else(|error| panic!("{error}"));
        let meta = model.meta();
        let half = model.step_ids().any(|(id, _)| model.precision(id) == Precision::Fp16);
        if half || meta.network.head == Head::Classifier {
            return None;
        }
        let plan = Plan::for_model(&model).build().unwrap_or_else(|error| panic!("{error}"));
        let (arena, mut labels) = (AlignedBytes::zeroed(plan.arena_bytes()), vec![0; plan.size().pixels()]);
        let mut engine = Engine::with_kernels(&model, plan, Serial, arena, Kernels::SCALAR).unwrap_or_else(|error| panic!("{error}"));
        let pixels = frame(meta.size.height.into(), meta.size.width.into());
        engine.segment(pixels, &mut labels, &NoObserver).unwrap_or_else(|error| panic!("{error}"));
        Some(labels.leak() as &[u8])
    })
}

/// Models and engines that stay open while the program runs, of this thread: most sequences are
/// about what is done with them.
fn resident() -> (Vec<OpenedModel>, Vec<OpenedEngine>) {
    thread_local! {
        static OPEN: (Vec<OpenedModel>, Vec<OpenedEngine>) = open_residents();
    }
    OPEN.with(Clone::clone)
}

/// The class that [`named`] does not name.
pub const NAMELESS: u32 = 1;

/// An image that names its classes, all but one, and has colours and a golden frame.
pub fn named() -> &'static AlignedBytes {
    static IMAGE: OnceLock<AlignedBytes> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let (network, size) = (tiny(Head::Segformer), size(32, 32));
        let name = |class: u16| {
            if u32::from(class) == NAMELESS { String::new() } else { format!("class of number {class}, \u{e9}").repeat(usize::from(1 + class % 3)) }
        };
        let (names, colours): (Vec<_>, Vec<_>) = (0..network.classes).map(|class| (name(class), [class as u8, 128, 255])).unzip();
        let crcs = vec![0; network.steps().count()];
        let golden = Golden { crcs: &crcs, frame: &random_frame(size, 7), result: None };
        named_image(&network, size, 11, &names.join("\n"), colours.as_flattened(), golden)
    })
}

/// Opens models in 8 bits, 16 bits and half precision, one with names and a classifier. Each gets
/// an engine on the fastest kernels or on plain code.
fn open_residents() -> (Vec<OpenedModel>, Vec<OpenedEngine>) {
    let images: [(&'static AlignedBytes, *const c_char); RESIDENT] =
        [(segmentor(0), c"scalar".as_ptr()), (segmentor(3), null()), (segmentor(5), null()), (classifier(), null()), (named(), null())];
    let open = |(at, (image, kernels)): (usize, (&'static AlignedBytes, *const c_char))| {
        let (mut model, mut engine) = (null_mut(), null_mut());
        // SAFETY: the image is never freed, the pointers lead to what is described.
        let status = unsafe { hrvit_capi::hrvit_model_open(image.as_ptr().cast(), image.len(), null(), &raw mut model, null_mut()) };
        assert_eq!(status, hrvit_status::HRVIT_OK);
        let mut options = new::<hrvit_engine_options>();
        options.kernels = kernels;
        // SAFETY: as above.
        let status = unsafe { hrvit_capi::hrvit_engine_open(model, &raw const options, &raw mut engine, null_mut()) };
        assert_eq!(status, hrvit_status::HRVIT_OK);
        let (handle, lent) = (model.addr(), Some((image.as_ptr().cast_mut(), image.len())));
        let model = OpenedModel { handle, lent, info: described(handle), labels: expected(image), engines: 1, is_open: true };
        let handle = engine.addr();
        (model, OpenedEngine { handle, model: at, info: planned(handle), arena: None, is_open: true })
    };
    images.into_iter().enumerate().map(open).unzip()
}

/// The description of an open model.
pub fn described(handle: usize) -> hrvit_model_info {
    let mut info = new::<hrvit_model_info>();
    // SAFETY: the structure is this function's.
    let status = unsafe { hrvit_capi::hrvit_model_describe(without_provenance_mut(handle), &raw mut info, null_mut()) };
    assert_eq!(status, hrvit_status::HRVIT_OK);
    info
}

/// The description of an open engine.
pub fn planned(handle: usize) -> hrvit_engine_info {
    let mut info = new::<hrvit_engine_info>();
    // SAFETY: the structure is this function's.
    let status = unsafe { hrvit_capi::hrvit_engine_describe(without_provenance_mut(handle), &raw mut info, null_mut()) };
    assert_eq!(status, hrvit_status::HRVIT_OK);
    info
}
