//! Frames, and what their callbacks do.

use std::ffi::c_void;
use std::ptr::{null, null_mut, without_provenance_mut};

use hrvit_capi::{
    HRVIT_HEAD_CLASSIFIER, HRVIT_HEAD_SEGFORMER, hrvit_engine, hrvit_engine_classify, hrvit_engine_close, hrvit_engine_describe, hrvit_engine_info,
    hrvit_engine_logits, hrvit_engine_segment, hrvit_engine_segment_rows, hrvit_frame, hrvit_model, hrvit_model_close, hrvit_model_describe, hrvit_model_info,
    hrvit_ranked, hrvit_run_options, hrvit_segmentation, hrvit_status, hrvit_step,
};

use super::memory::Ends;
use super::world::{World, frame, new};
use crate::Choices;

/// Larger frames take too long.
const MOST_PIXELS: usize = 64 * 96;

/// State of the callbacks.
struct Watch {
    model: *mut hrvit_model,
    engine: *mut hrvit_engine,
    /// Step before which the frame is stopped, or row that is not given.
    last: u32,
    pixels: &'static [u8],
    /// The first mistake seen, if any.
    wrong: Option<&'static str>,
}

impl Watch {
    /// Uses the library from within a frame.
    fn ask(&mut self) {
        let (mut engine, mut model) = (new::<hrvit_engine_info>(), new::<hrvit_model_info>());
        // SAFETY: structures of this function.
        let found = unsafe {
            [
                hrvit_engine_describe(self.engine, &raw mut engine, null_mut()),
                hrvit_engine_close(self.engine, null_mut()),
                hrvit_model_close(self.model, null_mut()),
                hrvit_model_describe(self.model, &raw mut model, null_mut()),
            ]
        };
        let expected = [hrvit_status::HRVIT_ERROR_BUSY, hrvit_status::HRVIT_ERROR_BUSY, hrvit_status::HRVIT_ERROR_IN_USE, hrvit_status::HRVIT_OK];
        if found != expected {
            self.wrong = Some("calls from within a frame end otherwise than they must");
        }
    }
}

unsafe extern "C-unwind" fn on_step(context: *mut c_void, step: *const hrvit_step) -> i32 {
    // SAFETY: the context is the caller's `Watch`, which nobody uses meanwhile; the step is the
    // library's.
    let (watch, step) = unsafe { (&mut *context.cast::<Watch>(), step.read()) };
    if step.index == 1 {
        watch.ask();
    }
    i32::from(step.index >= watch.last)
}

unsafe extern "C-unwind" fn on_row(context: *mut c_void, y: u32, row: *mut u8, row_bytes: usize) -> i32 {
    // SAFETY: the context is the caller's `Watch`, which nobody uses meanwhile.
    let watch = unsafe { &mut *context.cast::<Watch>() };
    if y == 3 {
        watch.ask();
    }
    let Some(from) = watch.pixels.get(y as usize * row_bytes..).and_then(|rest| rest.get(..row_bytes)) else {
        watch.wrong = Some("a row that the frame does not have");
        return 1;
    };
    // SAFETY: the library's row has that many bytes.
    unsafe { row.copy_from_nonoverlapping(from.as_ptr(), row_bytes) };
    i32::from(y >= watch.last)
}

/// An engine and a frame for it; `None` where nothing is open or frames take too long.
pub struct Setting {
    /// The engine.
    pub engine: *mut hrvit_engine,
    /// Its number, if it is open.
    pub opened: Option<usize>,
    /// Its plan.
    pub info: hrvit_engine_info,
    head: u32,
    labels: Option<&'static [u8]>,
    watch: Watch,
    /// How the call must end, as far as is known.
    pub ends: Ends,
}

impl Setting {
    /// An engine and its frame, if a frame may run.
    pub fn of(world: &World, choices: &mut Choices<'_>) -> Option<Self> {
        // Half of the frames that may not run to their end are left out.
        if world.frames == 0 && choices.one_in(2) {
            return None;
        }
        let (engine, opened) = world.engine(choices);
        let of = &world.engines[opened.unwrap_or(0)];
        let (info, model) = (of.info, &world.models[of.model]);
        if info.height as usize * info.width as usize > MOST_PIXELS {
            return None;
        }
        let is_own = (info.height, info.width) == (model.info.height, model.info.width);
        let pixels = frame(info.height, info.width);
        let watch = Watch { model: without_provenance_mut(model.handle), engine, last: u32::MAX, pixels, wrong: None };
        let ends = Ends::Well.wrong_if(opened.is_none());
        Some(Self { engine, opened, info, head: model.info.head, labels: model.labels.filter(|_| is_own), watch, ends })
    }

    /// A frame, mostly right.
    fn frame(&mut self, world: &mut World, choices: &mut Choices<'_>, takes_padding: bool) -> *const hrvit_frame {
        let (row, rows) = (3 * self.info.width as usize, self.info.height as usize);
        let mut about = new::<hrvit_frame>();
        about.bytes = row * rows;
        about.pixels = match choices.u8() {
            0..4 => null(),
            4..44 => {
                let stride = row + choices.below(9);
                (about.row_bytes, about.bytes) = (stride, stride * (rows - 1) + row);
                self.ends = self.ends.wrong_if(stride != row && !takes_padding);
                let padded = world.memory.piece(about.bytes, 1);
                for (y, pixels) in self.watch.pixels.chunks(row).enumerate() {
                    // SAFETY: the piece has all rows, and nothing behind the last one.
                    unsafe { padded.add(y * stride).copy_from_nonoverlapping(pixels.as_ptr(), row) };
                }
                padded
            }
            _ => world.memory.copy(self.watch.pixels, 1),
        };
        self.ends = self.ends.wrong_if(about.pixels.is_null());
        match choices.u8() {
            0..4 => (about.bytes, self.ends) = (about.bytes - 1 - choices.below(100), Ends::Badly),
            4..8 => (about.row_bytes, self.ends) = (1 + choices.below(row - 1), Ends::Badly),
            8..12 => (about.format, self.ends) = (1 + choices.u32() / 2, Ends::Badly),
            12..16 => (about.row_bytes, self.ends) = (usize::MAX - choices.below(1000), Ends::Badly),
            _ => {}
        }
        let (frame, given) = world.memory.structure(choices, about, true);
        self.ends = self.ends.and(given);
        frame
    }

    /// Buffers for the results, mostly valid.
    pub fn results(&mut self, world: &mut World, choices: &mut Choices<'_>) -> (hrvit_segmentation, *const hrvit_segmentation) {
        let mut about = new::<hrvit_segmentation>();
        let (labels, logits) = (self.info.label_bytes, self.info.logit_count);
        self.ends = self.ends.wrong_if(self.head != HRVIT_HEAD_SEGFORMER);
        (about.labels_bytes, about.margins_bytes, about.logits_count) = (labels, 0, 0);
        let (at, there) = world.memory.buffer::<u8>(choices, labels);
        (about.labels, self.ends) = (at, self.ends.and(there));
        if choices.one_in(2) {
            (about.margins, about.margins_bytes) = (world.memory.piece(labels, 1), labels);
            about.margin_shift = u32::from(choices.u8() % 36);
        }
        self.ends = self.ends.wrong_if(about.margin_shift > 31);
        if choices.one_in(2) {
            (about.logits, about.logits_count) = (world.memory.piece(2 * logits, 2).cast(), logits);
        }
        let lent = world.lent(choices, true);
        match choices.u8() {
            0..4 => (about.labels_bytes, self.ends) = (labels.wrapping_sub(1), Ends::Badly),
            4..8 => (about.margins_bytes, self.ends) = (about.margins_bytes + 1 + choices.below(9), Ends::Badly),
            8..12 => (about.logits_count, self.ends) = (about.logits_count + 1 + choices.below(9), Ends::Badly),
            12..16 => (about.margins, about.margins_bytes, self.ends) = (about.labels, labels, self.ends.wrong_if(labels > 0)),
            16..20 if !about.logits.is_null() => (about.logits, self.ends) = (about.logits.cast::<u8>().wrapping_add(1).cast(), Ends::Badly),
            // Nothing may be written there, so that it does not matter how much there is.
            20..28 => {
                if let Some((at, _)) = lent.filter(|_| labels > 0) {
                    (about.labels, self.ends) = (at, Ends::Badly);
                }
            }
            _ => {}
        }
        let (results, given) = world.memory.structure(choices, about, true);
        self.ends = self.ends.and(given);
        (about, results)
    }

    /// Options of a frame: none, or a callback that looks on or stops it.
    pub fn options(&mut self, world: &mut World, choices: &mut Choices<'_>) -> *const hrvit_run_options {
        if choices.one_in(3) {
            return null();
        }
        let (mut about, before) = (new::<hrvit_run_options>(), self.ends);
        about.step_context = (&raw mut self.watch).cast();
        match choices.u8() {
            0..4 => (about.flags, self.ends) = (1 + choices.u32() / 2, Ends::Badly),
            4..96 => about.step = Some(on_step),
            96..128 => {
                about.step = Some(on_step);
                // The first steps are there in every network.
                (self.watch.last, self.ends) = (u32::from(choices.u8() % 4), Ends::Badly);
            }
            _ => {}
        }
        let (options, given) = world.memory.structure(choices, about, true);
        if options.is_null() {
            // The callback is not called then: what it would do no longer counts.
            self.ends = if self.watch.last == u32::MAX { before } else { before.and(Ends::Either) };
        } else {
            self.ends = self.ends.and(given);
        }
        options
    }

    /// Whether it takes a frame's time, which this sequence may no longer have.
    pub fn is_too_long(&self, world: &World) -> bool {
        self.ends != Ends::Badly && world.frames == 0
    }

    /// Checks the state after the call.
    pub fn done(&self, world: &mut World, well: bool, what: &str) {
        if let Some(wrong) = self.watch.wrong {
            panic!("{what}: {wrong}");
        }
        if well {
            assert!(self.opened.is_some(), "{what} on no engine");
            (world.frames, world.frames_run) = (world.frames.saturating_sub(1), world.frames_run + 1);
        }
    }

    /// Compares a label map with plain code's.
    pub fn compare(&self, labels: *const u8) {
        let Some(expected) = self.labels else { return };
        // SAFETY: the library wrote as many bytes.
        let found = unsafe { std::slice::from_raw_parts(labels, self.info.label_bytes) };
        assert!(found == expected, "a label map is not that of plain code");
    }
}

/// A frame in memory.
pub fn segment(world: &mut World, choices: &mut Choices<'_>) {
    let Some(mut setting) = Setting::of(world, choices) else { return };
    let options = setting.options(world, choices);
    let frame = setting.frame(world, choices, true);
    let (about, results) = setting.results(world, choices);
    if setting.is_too_long(world) {
        return;
    }
    let (engine, ends) = (setting.engine, setting.ends);
    // SAFETY: structures are as large as they say, buffers as large as they say, or not to be
    // written.
    let well = world.call(choices, "segmenting", ends, |error| unsafe { hrvit_engine_segment(engine, frame, results, options, error) });
    setting.done(world, well, "segmenting");
    if well {
        setting.compare(about.labels);
    }
}

/// A frame that is asked for row by row.
pub fn segment_rows(world: &mut World, choices: &mut Choices<'_>) {
    let Some(mut setting) = Setting::of(world, choices) else { return };
    let options = setting.options(world, choices);
    let (about, results) = setting.results(world, choices);
    let (row, is_given) = if choices.one_in(16) { (None, false) } else { (Some(on_row as _), true) };
    setting.ends = setting.ends.wrong_if(!is_given);
    if choices.one_in(4) && setting.watch.last == u32::MAX {
        (setting.watch.last, setting.ends) = (u32::from(choices.u8() % 32), Ends::Badly);
    }
    if setting.is_too_long(world) {
        return;
    }
    let (engine, ends, context) = (setting.engine, setting.ends, (&raw mut setting.watch).cast());
    let call = |error| {
        // SAFETY: as in `segment`; the context is what the callback expects.
        unsafe { hrvit_engine_segment_rows(engine, row, context, results, options, error) }
    };
    let well = world.call(choices, "segmenting rows", ends, call);
    setting.done(world, well, "segmenting rows");
    if well {
        setting.compare(about.labels);
    }
}

/// Logits of a frame.
pub fn logits(world: &mut World, choices: &mut Choices<'_>) {
    let Some(mut setting) = Setting::of(world, choices) else { return };
    let options = setting.options(world, choices);
    let frame = setting.frame(world, choices, false);
    let right = setting.info.logit_count;
    let count = if choices.one_in(16) { choices.below(2 * right) } else { right };
    let (logits, there) = world.memory.buffer::<i16>(choices, count);
    setting.ends = setting.ends.and(there).wrong_if(count != right);
    if setting.is_too_long(world) {
        return;
    }
    let (engine, ends) = (setting.engine, setting.ends);
    // SAFETY: as in `segment`.
    let well = world.call(choices, "logits", ends, |error| unsafe { hrvit_engine_logits(engine, frame, logits, count, options, error) });
    setting.done(world, well, "logits");
}

/// Classes of a frame.
pub fn classify(world: &mut World, choices: &mut Choices<'_>) {
    let Some(mut setting) = Setting::of(world, choices) else { return };
    let options = setting.options(world, choices);
    let frame = setting.frame(world, choices, false);
    let most = setting.info.logit_count.min(hrvit_capi::HRVIT_MOST_RANKED);
    let count = choices.below(40);
    let (ranked, there) = world.memory.buffer::<hrvit_ranked>(choices, count);
    setting.ends = setting.ends.and(there).wrong_if(setting.head != HRVIT_HEAD_CLASSIFIER || !(1..=most).contains(&count));
    if setting.is_too_long(world) {
        return;
    }
    let (engine, ends) = (setting.engine, setting.ends);
    // SAFETY: as in `segment`.
    let well = world.call(choices, "classifying", ends, |error| unsafe { hrvit_engine_classify(engine, frame, ranked, count, options, error) });
    setting.done(world, well, "classifying");
    if well {
        // SAFETY: the library wrote as many.
        let ranked = unsafe { std::slice::from_raw_parts(ranked, count) };
        assert!(ranked.is_sorted_by(|a, b| a.logit >= b.logit), "classes out of order");
    }
}
