//! Frames of cameras, and what is made of label maps.

use std::ptr::null_mut;

use hrvit_capi::{
    HRVIT_CAMERA_RGB, HRVIT_CAMERA_RGBA, hrvit_camera_frame, hrvit_camera_labels, hrvit_camera_overlay, hrvit_camera_scratch, hrvit_engine_segment_camera,
    hrvit_extent, hrvit_ink, hrvit_label_run, hrvit_labels_extents, hrvit_labels_mask, hrvit_labels_runs,
};

use super::frames::Setting;
use super::memory::Ends;
use super::world::{World, frame, new};
use crate::Choices;

/// Classes that masks and runs are of.
const CHOSEN: [u8; 3] = [0, 3, 7];

/// A frame of so many bytes a pixel in a plane of its own, mostly right.
fn camera(world: &mut World, choices: &mut Choices<'_>, (pixels, width, height): (&[u8], usize, usize), format: u32) -> (hrvit_camera_frame, Ends) {
    let row = pixels.len() / height;
    let stride = row + choices.below(9);
    let mut about = new::<hrvit_camera_frame>();
    (about.format, about.width, about.height) = (format, width as u32, height as u32);
    (about.plane_bytes[0], about.row_bytes[0]) = (stride * (height - 1) + row, if stride == row { 0 } else { stride });
    about.planes[0] = world.memory.piece(about.plane_bytes[0], 1);
    for (y, pixels) in pixels.chunks(row).enumerate() {
        // SAFETY: the piece has all rows, and nothing behind the last one.
        unsafe { about.planes[0].add(y * stride).copy_from_nonoverlapping(pixels.as_ptr(), row) };
    }
    let mut ends = Ends::Badly;
    match choices.u8() {
        0..4 => about.planes[0] = null_mut(),
        4..8 => about.plane_bytes[0] -= 1 + choices.below(about.plane_bytes[0]),
        8..12 => about.row_bytes[0] = 1 + choices.below(row - 1),
        12..16 if height > 1 => about.row_bytes[0] = usize::MAX - choices.below(1000),
        16..20 => about.format = 14 + choices.u32() / 2,
        20..24 => about.rotation = 1 + choices.u32() % 89,
        24..28 => (about.region_x, about.region_width) = (about.width, 1 + choices.u32() / 2),
        28..32 => (about.mirror, about.fit, about.filter, about.matrix, about.range) = (2, 9, 2, 2, 2),
        32..36 => about.reserved = 1,
        36..40 => about.height = if choices.one_in(2) { 0 } else { 65_536 + choices.u32() / 2 },
        _ => ends = Ends::Well,
    }
    (about, ends)
}

/// A camera's frame that is the frame that label maps are known of.
pub fn segment(world: &mut World, choices: &mut Choices<'_>) {
    let Some(mut setting) = Setting::of(world, choices) else { return };
    let options = setting.options(world, choices);
    let (width, height) = (setting.info.width as usize, setting.info.height as usize);
    let pixels = frame(setting.info.height, setting.info.width);
    let (about, right) = camera(world, choices, (pixels, width, height), HRVIT_CAMERA_RGB);
    let (given, whole) = world.memory.structure(choices, about, true);
    let about = right.and(whole);
    let (needed, there) = world.memory.buffer::<usize>(choices, 1);
    let engine = setting.engine;
    // The planes are not looked at.
    let ends = Ends::Either.and(whole).and(there).wrong_if(setting.opened.is_none());
    // SAFETY: structures and numbers are as large as they say, or not to be written.
    let known = world.call(choices, "words of scratch", ends, |error| unsafe { hrvit_camera_scratch(engine, given, needed, error) });
    // SAFETY: the library wrote it.
    let words = if known { unsafe { needed.read() } } else { 0 };
    let (scratch, count, room) = if known && choices.one_in(2) {
        let fewer = choices.one_in(8);
        let (scratch, there) = world.memory.buffer::<u32>(choices, words);
        (scratch, words - usize::from(fewer), there.wrong_if(fewer))
    } else {
        // The library has scratch of its own.
        (null_mut(), 0, Ends::Well)
    };
    let (outputs, results) = setting.results(world, choices);
    setting.ends = setting.ends.and(about).and(room);
    if setting.is_too_long(world) {
        return;
    }
    let ends = setting.ends;
    let call = |error| {
        // SAFETY: structures are as large as they say, buffers as large as they say, or not to be
        // written.
        unsafe { hrvit_engine_segment_camera(engine, given, scratch, count, results, options, error) }
    };
    let well = world.call(choices, "segmenting a camera's frame", ends, call);
    setting.done(world, well, "segmenting a camera's frame");
    if well {
        setting.compare(outputs.labels);
    }
}

/// Masks, runs, extents and overlays of a label map.
pub fn maps(world: &mut World, choices: &mut Choices<'_>) {
    let (width, rows) = (1 + choices.below(40), 1 + choices.below(12));
    let map: Vec<u8> = (0..width * rows).map(|_| choices.u8() % 9).collect();
    let (labels, bytes) = (world.memory.copy(&map, 1), map.len());
    let is_chosen = |label: &u8| CHOSEN.contains(label);
    let classes = world.memory.copy(&CHOSEN, 1);
    let (width_given, wrong) = if choices.one_in(16) { (if bytes == 1 { 0 } else { bytes as u32 + 1 }, true) } else { (width as u32, false) };
    match choices.below(4) {
        0 => {
            let row = width.div_ceil(8);
            let (bits, there) = world.memory.buffer::<u8>(choices, row * rows);
            let (size, ends) = if choices.one_in(16) { (row * rows - 1, Ends::Badly) } else { (row * rows, there) };
            let (bits, ends) = if choices.one_in(16) { (labels, Ends::Badly) } else { (bits, ends) };
            let call = |error| {
                // SAFETY: buffers are as large as they say, or not to be written.
                unsafe { hrvit_labels_mask(labels, bytes, width_given, classes, CHOSEN.len(), bits, size, error) }
            };
            if world.call(choices, "a mask", ends.wrong_if(wrong), call) {
                // SAFETY: the library wrote as many bytes.
                let bits = unsafe { std::slice::from_raw_parts(bits, row * rows) };
                let ones = bits.iter().map(|byte| byte.count_ones() as usize).sum::<usize>();
                assert_eq!(ones, map.iter().filter(|label| is_chosen(label)).count(), "bits of a mask");
            }
        }
        1 => {
            let all = map.chunk_by(|a, b| is_chosen(a) == is_chosen(b)).filter(|run| is_chosen(&run[0])).count();
            let room = choices.below(all + 2);
            let (runs, there) = if room == 0 { (null_mut(), Ends::Well) } else { world.memory.buffer::<hrvit_label_run>(choices, room) };
            let (found, told) = world.memory.buffer::<usize>(choices, 1);
            let ends = there.and(told).wrong_if(room != 0 && room < all);
            let call = |error| {
                // SAFETY: as above.
                unsafe { hrvit_labels_runs(labels, bytes, classes, CHOSEN.len(), runs, room, found, error) }
            };
            if world.call(choices, "runs", ends, call) {
                // SAFETY: the library wrote it.
                assert_eq!(unsafe { found.read() }, all, "runs of a map");
            }
        }
        2 => {
            let count = 1 + choices.below(300);
            let (extents, there) = world.memory.buffer::<hrvit_extent>(choices, count);
            let call = |error| {
                // SAFETY: as above.
                unsafe { hrvit_labels_extents(labels, bytes, width_given, extents, count, error) }
            };
            if world.call(choices, "extents", there.wrong_if(wrong), call) {
                // SAFETY: the library wrote as many.
                let extents = unsafe { std::slice::from_raw_parts(extents, count) };
                let pixels = extents.iter().map(|extent| extent.pixels).sum::<usize>();
                assert_eq!(pixels, map.iter().filter(|label| usize::from(**label) < count).count(), "pixels of all classes");
            }
        }
        _ => over_a_frame(world, choices, (labels, width, rows)),
    }
}

/// Labels at a frame's pixels, or as colours on it.
fn over_a_frame(world: &mut World, choices: &mut Choices<'_>, (labels, columns, rows): (*mut u8, usize, usize)) {
    let (width, height) = (2 + choices.below(30), 1 + choices.below(20));
    let (about, right) = camera(world, choices, (&vec![100; 4 * width * height], width, height), HRVIT_CAMERA_RGBA);
    let (given, whole) = world.memory.structure(choices, about, true);
    let (bytes, map) = (columns * rows, (rows as u32, columns as u32));
    if choices.one_in(2) {
        let (pixels, there) = world.memory.buffer::<u8>(choices, width * height);
        // The planes are not looked at.
        let ends = Ends::Either.and(whole).and(there);
        let call = |error| {
            // SAFETY: buffers are as large as they say, or not to be written.
            unsafe { hrvit_camera_labels(given, labels, bytes, map.0, map.1, 255, pixels, width * height, error) }
        };
        world.call(choices, "labels of a frame", ends, call);
        return;
    }
    let palette = [hrvit_ink { red: 255, green: 0, blue: 0, alpha: 128 }; 4];
    let (palette, count) = (palette.as_ptr(), palette.len());
    let call = |error| {
        // SAFETY: as above; the palette is this function's.
        unsafe { hrvit_camera_overlay(given, labels, bytes, map.0, map.1, palette, count, error) }
    };
    world.call(choices, "an overlay", right.and(whole), call);
}
