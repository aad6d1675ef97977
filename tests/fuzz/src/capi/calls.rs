//! Questions about models, and plans.

use std::ffi::{CStr, c_char};
use std::ptr::null_mut;

use hrvit_capi::{
    HRVIT_ABI_VERSION, HRVIT_HAS_COLOURS, HRVIT_HAS_GOLDEN, HRVIT_HAS_NAMES, hrvit_abi_version, hrvit_engine_describe, hrvit_engine_info, hrvit_features,
    hrvit_model_class_colour, hrvit_model_class_name, hrvit_model_describe, hrvit_model_golden_crc, hrvit_model_golden_frame, hrvit_model_info,
    hrvit_model_logit_values, hrvit_model_margin_shift, hrvit_model_margin_unit, hrvit_model_step_name, hrvit_plan, hrvit_status_text, hrvit_version,
};

use super::memory::Ends;
use super::open::engine_options;
use super::world::{NAMELESS, World, new};
use crate::Choices;

/// Descriptions that models and engines give of themselves.
pub fn describe(world: &mut World, choices: &mut Choices<'_>) {
    if choices.one_in(2) {
        let (model, opened) = world.model(choices);
        let (info, ends) = world.memory.structure(choices, new::<hrvit_model_info>(), false);
        // SAFETY: structures are as large as they say.
        world.call(choices, "describing a model", ends.wrong_if(opened.is_none()), |error| unsafe { hrvit_model_describe(model, info, error) });
    } else {
        let (engine, opened) = world.engine(choices);
        let (info, ends) = world.memory.structure(choices, new::<hrvit_engine_info>(), false);
        // SAFETY: structures are as large as they say.
        world.call(choices, "describing an engine", ends.wrong_if(opened.is_none()), |error| unsafe { hrvit_engine_describe(engine, info, error) });
    }
}

/// A plan for any options.
pub fn plan(world: &mut World, choices: &mut Choices<'_>) {
    let (model, opened) = world.model(choices);
    let (options, planned) = engine_options(choices);
    let (from, given) = world.memory.structure(choices, options, true);
    let ends = if from.is_null() { Ends::Well } else { planned.and(given) };
    let (info, there) = world.memory.structure(choices, new::<hrvit_engine_info>(), false);
    let ends = ends.and(there).wrong_if(opened.is_none());
    // SAFETY: structures are as large as they say.
    world.call(choices, "planning", ends, |error| unsafe { hrvit_plan(model, from, info, error) });
}

/// Names of classes and steps, into room that is enough or not.
pub fn text(world: &mut World, choices: &mut Choices<'_>) {
    let (model, opened) = world.model(choices);
    let room = choices.below(80);
    let (text, there) = world.memory.buffer::<c_char>(choices, room);
    let info = opened.map(|at| world.models[at].info);
    let of_class = choices.one_in(2);
    let index = if choices.one_in(8) { choices.u32() } else { u32::from(choices.u8() % if of_class { 8 } else { 64 }) };
    let names = |info: hrvit_model_info| index < info.classes && index != NAMELESS && info.contents & HRVIT_HAS_NAMES != 0;
    let known = info.is_some_and(|info| if of_class { names(info) } else { index < info.steps });
    let ends = there.and(if room >= 64 { Ends::Well } else { Ends::Either }).wrong_if(!known || room == 0);
    let name = |error| {
        // SAFETY: the text has that much room.
        unsafe { if of_class { hrvit_model_class_name(model, index, text, room, error) } else { hrvit_model_step_name(model, index, text, room, error) } }
    };
    if world.call(choices, "a name", ends, name) {
        // SAFETY: a text that ends within its room, as AddressSanitizer sees.
        let text = unsafe { CStr::from_ptr(text) };
        assert!(text.to_str().is_ok() && text.count_bytes() < room, "a name: {text:?}");
    }
}

/// Colours of classes.
pub fn colour(world: &mut World, choices: &mut Choices<'_>) {
    let (model, opened) = world.model(choices);
    let index = u32::from(choices.u8() % 8);
    let (rgb, there) = match world.lent(choices, true) {
        Some((at, bytes)) if choices.one_in(16) => (at.wrapping_add(choices.below(bytes)), Ends::Badly),
        _ => world.memory.buffer::<u8>(choices, 3),
    };
    let known = opened.is_some_and(|at| index < world.models[at].info.classes && world.models[at].info.contents & HRVIT_HAS_COLOURS != 0);
    let ends = there.wrong_if(!known);
    // SAFETY: NULL, three bytes, or lent memory, to which nothing may be written.
    world.call(choices, "a colour", ends, |error| unsafe { hrvit_model_class_colour(model, index, rgb, error) });
}

/// The golden frame of an image.
pub fn golden(world: &mut World, choices: &mut Choices<'_>) {
    let (model, opened) = world.model(choices);
    let (pixels, first) = world.memory.buffer::<*const u8>(choices, 1);
    let (bytes, second) = world.memory.buffer::<usize>(choices, 1);
    let has = opened.is_some_and(|at| world.models[at].info.contents & HRVIT_HAS_GOLDEN != 0);
    let ends = first.and(second).wrong_if(!has);
    // SAFETY: pointers are NULL or lead to what is described.
    world.call(choices, "a golden frame", ends, |error| unsafe { hrvit_model_golden_frame(model, pixels, bytes, error) });
}

/// CRC of the tensor that a step of the golden frame left.
pub fn golden_crc(world: &mut World, choices: &mut Choices<'_>) {
    let (model, opened) = world.model(choices);
    let step = if choices.one_in(8) { choices.u32() } else { u32::from(choices.u8() % 64) };
    let (crc, there) = world.memory.buffer::<u32>(choices, 1);
    // No image with half precision has a golden frame here.
    let has = opened.map(|at| world.models[at].info).is_some_and(|info| info.contents & HRVIT_HAS_GOLDEN != 0 && step < info.steps);
    // SAFETY: NULL, or one number.
    world.call(choices, "a golden CRC", there.wrong_if(!has), |error| unsafe { hrvit_model_golden_crc(model, step, crc, error) });
}

/// Real values of logits.
pub fn values(world: &mut World, choices: &mut Choices<'_>) {
    let (model, opened) = world.model(choices);
    let count = choices.below(40);
    let (logits, first) = world.memory.buffer::<i16>(choices, count);
    let (mut values, mut second) = world.memory.buffer::<f32>(choices, count);
    if choices.one_in(16) && count > 0 && first == Ends::Well {
        (values, second) = (logits.cast(), Ends::Badly);
    }
    let ends = first.and(second).wrong_if(opened.is_none());
    // SAFETY: buffers have that many elements, or overlap and are not written.
    world.call(choices, "values", ends, |error| unsafe { hrvit_model_logit_values(model, logits, count, values, error) });
}

/// Shifts of margins and what they stand for.
pub fn margins(world: &mut World, choices: &mut Choices<'_>) {
    let (model, opened) = world.model(choices);
    if choices.one_in(2) {
        let range = f32::from_bits(choices.u32());
        let (shift, there) = world.memory.buffer::<u32>(choices, 1);
        let ends = there.wrong_if(opened.is_none());
        // SAFETY: NULL, or one number.
        if world.call(choices, "a shift", ends, |error| unsafe { hrvit_model_margin_shift(model, range, shift, error) }) {
            // SAFETY: written by the call.
            assert!(unsafe { shift.read() } < 32, "a shift for {range}");
        }
    } else {
        let (unit, there) = world.memory.buffer::<f32>(choices, 1);
        let shift = if choices.one_in(8) { choices.u32() } else { choices.u8().into() };
        let ends = there.wrong_if(opened.is_none() || shift > 31);
        // SAFETY: NULL, or one number.
        world.call(choices, "a unit", ends, |error| unsafe { hrvit_model_margin_unit(model, shift, unit, error) });
    }
}

/// Functions that need no handle, and a plan without one.
pub fn constants(choices: &mut Choices<'_>) {
    assert_eq!((hrvit_abi_version(), hrvit_features()), (HRVIT_ABI_VERSION, 15));
    let status = if choices.one_in(2) { choices.u8().into() } else { choices.u32().cast_signed() };
    for text in [hrvit_status_text(status), hrvit_version()] {
        // SAFETY: a text of the library, with a NUL.
        assert!(!unsafe { CStr::from_ptr(text) }.is_empty(), "no text for {status}");
    }
    // SAFETY: NULL is an error.
    unsafe {
        assert_ne!(hrvit_plan(null_mut(), null_mut(), null_mut(), null_mut()), hrvit_capi::hrvit_status::HRVIT_OK);
    }
}
