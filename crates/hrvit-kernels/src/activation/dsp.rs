//! The elementwise operators with the DSP extension: the definition's loops, requantised in 32-bit
//! registers. None is inlined: callers are compiled for size.

use crate::dsp::rates::{Rate, shifted};
use crate::dsp::words::{self, Uniform, Words};
use crate::isa::Dsp;
use crate::requant::{Range8, Requant, TensorRequant, look_up, saturate16};
use crate::slices::{rows, rows_mut};

/// Whether the loops of [`words`] know these: every shift above 32, and outputs that saturate to 8
/// bits where there is a range.
fn known(requant: Requant<'_>, range: Option<Range8>) -> bool {
    requant.shift.iter().all(|shift| (33..=62).contains(shift)) && range.is_none_or(saturates)
}

/// Whether a range is all of 8 bits.
fn saturates(range: Range8) -> bool {
    range.lo == -128 && range.hi == 127 && (-65536..=65536).contains(&range.zero)
}

/// Runs a loop of [`words`] over whole tokens.
///
/// # Safety
/// As for that loop: `x` is whole tokens and `out` as long, there are as many shifts, and for
/// Hardswish as many of `three`, as multipliers, not none; the shifts are [`known`].
unsafe fn by_words<X, Y>(run: unsafe extern "C" fn(&Words<X, Y>), x: &[X], requant: Requant<'_>, three: &[i32], zero: i32, out: &mut [Y]) {
    let (x, mult) = (x.as_ptr_range(), requant.mult.as_ptr_range());
    if x.is_empty() {
        return;
    }
    let words = Words {
        x: x.start,
        out: out.as_mut_ptr(),
        mult: mult.start,
        shift: requant.shift.as_ptr(),
        three: three.as_ptr(),
        mult_end: mult.end,
        pre_shift: requant.pre_shift.into(),
        twice: 2 * zero + 1,
        x_end: x.end,
    };
    // SAFETY: by the contract.
    unsafe { run(&words) };
}

/// Calls `put(out, rq(x))` for every element of `[tokens, channels]`.
#[inline(always)]
fn per_channel<T>(dsp: Dsp, x: &[i16], params: Requant<'_>, out: &mut [T], put: impl Fn(&mut T, i32)) {
    let channels = params.mult.len();
    for (x, out) in rows(x, channels).zip(rows_mut(out, channels)) {
        for ((x, out), rate) in x.iter().zip(out).zip(Rate::all(dsp, params)) {
            put(out, rate.apply(shifted(i32::from(*x), params.pre_shift)));
        }
    }
}

/// See [`Kernels::narrow_s16`](crate::Kernels::narrow_s16).
#[inline(never)]
pub(super) fn narrow_s16(dsp: Dsp, x: &[i16], requant: Requant<'_>, range: Range8, out: &mut [i8]) {
    if known(requant, Some(range)) {
        // SAFETY: the token proves the DSP extension; the entry has checked the lengths, and
        // `known` the rest.
        return unsafe { by_words(words::narrow, x, requant, &[], range.zero, out) };
    }
    per_channel(dsp, x, requant, out, |out, rq| *out = range.store(rq));
}

/// See [`Kernels::rescale_s16`](crate::Kernels::rescale_s16).
#[inline(never)]
pub(super) fn rescale_s16(dsp: Dsp, x: &[i16], requant: Requant<'_>, out: &mut [i16]) {
    if known(requant, None) {
        // SAFETY: the token proves the DSP extension; the entry has checked the lengths, and
        // `known` the rest.
        return unsafe { by_words(words::rescale, x, requant, &[], 0, out) };
    }
    per_channel(dsp, x, requant, out, |out, rq| *out = saturate16(rq));
}

/// See [`Kernels::rescale_add32`](crate::Kernels::rescale_add32).
#[inline(never)]
pub(super) fn rescale_add32(dsp: Dsp, x: &[i16], requant: Requant<'_>, out: &mut [i32]) {
    if known(requant, None) {
        // SAFETY: the token proves the DSP extension; the entry has checked the lengths, and
        // `known` the rest.
        return unsafe { by_words(words::rescale_add, x, requant, &[], 0, out) };
    }
    per_channel(dsp, x, requant, out, |out, rq| *out = out.wrapping_add(rq));
}

/// See [`Kernels::store_s8`](crate::Kernels::store_s8).
#[inline(never)]
pub(super) fn store_s8(dsp: Dsp, acc: &[i32], requant: TensorRequant, range: Range8, out: &mut [i8]) {
    let rate = Rate::of(dsp, requant);
    for (acc, out) in acc.iter().zip(out) {
        *out = range.store(rate.apply(shifted(*acc, requant.pre_shift)));
    }
}

/// See [`Kernels::hardswish_s8`](crate::Kernels::hardswish_s8).
#[inline(never)]
pub(super) fn hardswish_s8(dsp: Dsp, v: &[i8], three: &[i32], params: Requant<'_>, range: Range8, out: &mut [i8]) {
    if known(params, Some(range)) {
        // SAFETY: the token proves the DSP extension; the entry has checked the lengths, and
        // `known` the rest.
        return unsafe { by_words(words::hardswish, v, params, three, range.zero, out) };
    }
    for (v, out) in rows(v, three.len()).zip(rows_mut(out, three.len())) {
        for (((v, out), three), rate) in v.iter().zip(out).zip(three).zip(Rate::all(dsp, params)) {
            let v = i32::from(*v);
            let u = ((v << 8) + three).max(0).min(2 * three);
            *out = range.store(rate.apply(shifted(v * u, params.pre_shift)));
        }
    }
}

/// See [`Kernels::hardswish_s16`](crate::Kernels::hardswish_s16).
#[inline(never)]
pub(super) fn hardswish_s16(dsp: Dsp, x: &[i16], three: i32, requant: TensorRequant, range: Range8, out: &mut [i8]) {
    if let (Some(shift), true) = (requant.shift.checked_sub(33), saturates(range) && !x.is_empty()) {
        let x = x.as_ptr_range();
        let (pre_shift, twice) = (requant.pre_shift.into(), 2 * range.zero + 1);
        let args = Uniform { x: x.start, out: out.as_mut_ptr(), mult: requant.mult, shift: shift.into(), three, x_end: x.end, pre_shift, twice };
        // SAFETY: the token proves the DSP extension; the entry has checked the lengths and that
        // the shift is at most 62.
        return unsafe { words::hardswish_of_sums(&args) };
    }
    let rate = Rate::of(dsp, requant);
    for (x, out) in x.iter().zip(out) {
        let x = i32::from(*x);
        let u = (x + three).max(0).min(2 * three);
        *out = range.store(rate.apply(shifted(x * u, requant.pre_shift)));
    }
}

/// See [`Kernels::table_s8`](crate::Kernels::table_s8).
#[inline(never)]
pub(super) fn table_s8(dsp: Dsp, acc: &[i32], requant: TensorRequant, zero: i32, table: &[i8], out: &mut [i8]) {
    let rate = Rate::of(dsp, requant);
    for (acc, out) in acc.iter().zip(out) {
        *out = look_up(table, zero, rate.apply(shifted(*acc, requant.pre_shift)));
    }
}
