//! Elementwise operators and resizing.

use half::f16;

use super::Kind;
use crate::conformance::products::short;
use crate::conformance::resize::{SHIFTS, compare_margins, margins};
use crate::conformance::{Arena, GUARD, Label, Rng, Suite};
use crate::epilogue_f16::ActivationF16;
use crate::family::Family;
use crate::math_f32::widen;
use crate::resize::phase;

const CHANNELS: [usize; 12] = [1, 2, 3, 7, 8, 9, 16, 17, 24, 32, 40, 100];
const CLASSES: [usize; 14] = [1, 2, 3, 7, 8, 9, 11, 16, 17, 19, 24, 33, 64, 150];

/// All elementwise operators and resized rows of a round.
pub(super) fn run(suite: &mut Suite<'_>, scratch: &mut [u8]) {
    for channels in CHANNELS {
        let tokens = suite.rng.size(0, 9);
        let done = elements(suite, &mut Arena::new(scratch), tokens * channels);
        short(suite, done, Family::ActivationF16);
        let done = mean(suite, &mut Arena::new(scratch), tokens, channels);
        short(suite, done, Family::MeanF16);
    }
    for channels in CLASSES {
        for factor in [1, 2, 4, 8] {
            let done = row(suite, &mut Arena::new(scratch), channels, factor);
            short(suite, done, Family::BilinearF16);
        }
    }
}

fn elements(suite: &mut Suite<'_>, arena: &mut Arena<'_>, len: usize) -> Option<()> {
    let rng = &mut suite.rng;
    let kind = Kind::pick(rng);
    let x = arena.make(len, |_| kind.value(rng))?;
    let wide = arena.make(len, |_| kind.wide(rng))?;
    let words = arena.make(len, |_| rng.word())?;
    let scale = rng.pick(&[1.0, 0.01, 3.7e-4, 1e-7, f32::MIN_POSITIVE, 1e15])?;
    let label = |family, name| Label { family, name, sizes: [len, kind as usize, 0, 0] };
    let usual = |rng: &mut Rng| Kind::Usual.value(rng);
    // One unit in the last place is all that the definition's roundings in f32 can make.
    suite.check_f16(label(Family::ActivationF16, "hardswish_f16"), arena, len, |_| 0.0, |kernels, out| kernels.hardswish_f16(x, out));
    for (act, name) in ActivationF16::ALL.into_iter().zip(["none", "relu", "gelu", "relu gelu", "hardswish"]) {
        suite.check_f16(label(Family::ActivationF16, name), arena, len, |_| 0.0, |kernels, out| kernels.activate_f32(wide, act, out));
    }
    suite.check(label(Family::SumF16, "add_f16"), arena, len, usual, |kernels, out| kernels.add_f16(out, wide));
    suite.check(label(Family::SumF16, "widen_add_f32"), arena, len, |rng| kind.wide(rng), |kernels, out| kernels.widen_add_f32(x, out));
    suite.check(label(Family::SumF16, "add_f32"), arena, len, |rng| kind.wide(rng), |kernels, out| kernels.add_f32(out, wide));
    let relu = |kernels: crate::Kernels, out: &mut [f32]| {
        kernels.relu_f32(out);
        Ok(())
    };
    suite.check(label(Family::SumF16, "relu_f32"), arena, len, |rng| kind.wide(rng), relu);
    suite.check(label(Family::ConvertF16, "s16_to_f16"), arena, len, usual, |kernels, out| kernels.s16_to_f16(words, scale, out));
    // A product with the reciprocal of the scale may round to the other neighbour.
    let same = |_, want: i16, got: i16| want.abs_diff(got) <= 1;
    let outcome = suite.compare(arena, len, &mut Rng::word, &same, &|kernels, out| kernels.f16_to_s16(x, scale, out));
    suite.report(label(Family::ConvertF16, "f16_to_s16"), outcome);
    Some(())
}

fn mean(suite: &mut Suite<'_>, arena: &mut Arena<'_>, tokens: usize, channels: usize) -> Option<()> {
    let kind = Kind::pick(&mut suite.rng);
    let x = arena.make(tokens * channels, |_| kind.value(&mut suite.rng))?;
    let label = Label { family: Family::MeanF16, name: "mean_f16", sizes: [tokens, channels, kind as usize, 0] };
    let magnitude = |at: usize| x.iter().skip(at).step_by(channels).fold(4.0, |sum, x| sum + widen(*x).abs());
    suite.check_f32(label, arena, channels, magnitude, |kernels, sums| kernels.mean_f16(sums, x));
    Some(())
}

fn row(suite: &mut Suite<'_>, arena: &mut Arena<'_>, channels: usize, factor: usize) -> Option<()> {
    let rng = &mut suite.rng;
    let columns = rng.size(1, 9);
    let at = phase(rng.size(0, 4 * factor - 1), factor, 4);
    let kind = Kind::pick(rng);
    // Few values make ties between classes.
    let few = rng.next() & 1 == 0;
    let value = |rng: &mut Rng| if few { f16::from_bits(rng.pick(&[0, 0x3c00, 0xbc00]).unwrap_or_default()) } else { kind.value(rng) };
    let upper = arena.make(columns * channels, |_| value(rng))?;
    let lower = arena.make(columns * channels, |_| value(rng))?;
    let first = rng.size(0, columns * factor);
    let tokens = rng.size(0, columns * factor - first);
    let sizes = [columns, channels, factor, first];
    let (near, far) = (at.near_weight, at.far_weight);
    let largest = upper.iter().chain(lower).fold(4.0f32, |largest, x| largest.max(widen(*x).abs()));
    let label = Label { family: Family::BilinearF16, name: "bilinear_add_f16", sizes };
    suite.check_f32(
        label,
        arena,
        tokens * channels,
        |_| largest,
        |kernels, acc| kernels.bilinear_add_f16(upper, lower, near, far, channels, factor, first, acc),
    );
    let label = Label { family: Family::ArgmaxF16, name: "argmax_f16", sizes };
    suite.check(
        label,
        arena,
        columns * factor,
        |rng| rng.next() as u8,
        |kernels, labels| kernels.argmax_f16(upper, lower, near, far, channels, factor, labels),
    );
    // Equal mixes make equal margins.
    for k in SHIFTS {
        let label = Label { family: Family::ArgmaxF16, name: "argmax_margin_f16", sizes: [columns, channels, factor, k.into()] };
        margins(suite, label, arena, columns * factor, |kernels, labels, margins| {
            kernels.argmax_margin_f16(upper, lower, near, far, channels, factor, labels, k, margins)
        });
    }
    // Of infinities and NaN they are any bytes, but nothing around them is written.
    let beyond = arena.make(columns * channels, |_| f16::from_bits(suite.rng.pick(&[0x7c00, 0xfc00, 0x7e00, 0x3c00]).unwrap_or_default()))?;
    let len = columns * factor;
    let outcome = compare_margins(suite, arena, len, &|at, want, got| !(len..len + GUARD).contains(&at) || want == got, |kernels, labels, margins| {
        kernels.argmax_margin_f16(beyond, lower, near, far, channels, factor, labels, 12, margins)
    });
    suite.report(Label { family: Family::ArgmaxF16, name: "argmax_margin_f16 of infinities", sizes }, outcome);
    Some(())
}
