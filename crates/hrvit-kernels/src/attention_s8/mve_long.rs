//! Attention on MVE for what [`super::mve`] has no room for, one query at a time: logits of four
//! keys at once, codes of four keys at once, then the weighted sums of four channels over eight
//! keys at once.

use core::arch::{asm, naked_asm};

use super::{Strip, reciprocal::reciprocal, scalar};
use crate::isa::Mve;
use crate::slices::{dot, rows, rows_mut};

/// Computes the strip; head dimensions that are no multiple of 4, or beyond 32, and strips whose
/// values do not lie within 64 KB are left to `scalar`.
#[inline(never)]
pub(super) fn run(_: Mve, args: &Strip<'_>, scores: &mut [i32], out: &mut [i16]) {
    let dim = args.dim;
    if !matches!(dim, 4..=32) || !dim.is_multiple_of(4) || args.v.len() > 0x1_0000 {
        return scalar::run(args, scores, out);
    }
    let offsets: [u16; 8] = core::array::from_fn(|key| (key * dim) as u16);
    for (q, out) in rows(args.q, dim).zip(rows_mut(out, dim)) {
        // SAFETY: the token proves MVE. `q` and `out` have `dim` elements, a multiple of 4 up to
        // 32, and `scores` one for each of the keys in `v`, all checked by the entry, which has
        // also checked that `exp` has 64 entries. `codes` writes as many codes as `weighted_sums`
        // reads.
        unsafe {
            let maximum = logits(q, args.v, scores);
            let sum = codes(args, maximum, scores);
            let (reciprocal, k) = reciprocal(sum);
            weighted_sums(&Values {
                codes: scores.as_ptr().cast(),
                v: args.v.as_ptr(),
                offsets: &offsets,
                step: 8 * dim,
                keys: scores.len(),
                fours: dim / 4,
                reciprocal,
                // A vector shifts by 32 or more. If k is less the sums are small: below
                // 2^(39 - zeros), shifted by 32 - k = zeros - 22.
                shift: 31 - k.max(32) as i32,
                pre_shift: 32u32.saturating_sub(k),
                out: out.as_mut_ptr(),
            });
        }
    }
}

/// Operands of the functions that [`logits`] chooses from. The assembly reads the fields at their
/// offsets.
#[repr(C)]
struct Keys {
    q: *const i8,
    v: *const i8,
    scores: *mut i32,
    /// Groups of four keys, not 0.
    fours: usize,
    dim: usize,
}

/// A loop over four keys at a time, which writes their logits and returns the largest: what loads
/// the query, the products of four keys with it (sums in r0, r2, r4, r8, the next key at r1, the
/// dimension in r6).
macro_rules! four_keys {
    ($(#[$doc:meta])* $name:ident, [$($query:literal),*], [$($keys:literal),*]) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The processor has MVE; query, keys and scores of [`Keys`] are readable, the scores
        /// writable.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(keys: &Keys) -> i32 {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r4-r8, lr}}",
                "ldrd r4, r1, [r0]",
                "ldrd r3, lr, [r0, #8]",
                "ldr r6, [r0, #16]",
                "mov r5, #0x80000000",
                $($query,)*
                "dls lr, lr",
                "2:",
                $($keys,)*
                "vmov q2[2], q2[0], r0, r4",
                "vmov q2[3], q2[1], r2, r8",
                "vmaxv.s32 r5, q2",
                "vstrw.32 q2, [r3], #16",
                "le lr, 2b",
                "mov r0, r5",
                "pop {{r4-r8, pc}}",
            )
        }
    };
}

four_keys! {
    /// Heads of exactly 8 channels: a vector holds two keys. Every `vpste` leaves the predicate
    /// inverted.
    eight,
    ["ldr r7, [r4]", "ldr r4, [r4, #4]", "vmov q0[2], q0[0], r7, r7", "vmov q0[3], q0[1], r4, r4", "mov r7, #8", "vctp.8 r7"],
    [
        "vldrb.u8 q1, [r1], #16", "vpste", "vmladavt.s8 r0, q0, q1", "vmladave.s8 r2, q0, q1",
        "vldrb.u8 q1, [r1], #16", "vpste", "vmladavt.s8 r8, q0, q1", "vmladave.s8 r4, q0, q1"
    ]
}
four_keys! {
    /// Heads of exactly 16 channels.
    sixteen,
    ["vldrb.u8 q0, [r4]"],
    [
        "vldrb.u8 q1, [r1], #16", "vmladav.s8 r0, q0, q1", "vldrb.u8 q1, [r1], #16", "vmladav.s8 r2, q0, q1",
        "vldrb.u8 q1, [r1], #16", "vmladav.s8 r4, q0, q1", "vldrb.u8 q1, [r1], #16", "vmladav.s8 r8, q0, q1"
    ]
}
four_keys! {
    /// Heads of exactly 32 channels.
    thirty_two,
    ["vldrb.u8 q0, [r4]", "vldrb.u8 q3, [r4, #16]"],
    [
        "vldrb.u8 q1, [r1], #16", "vmladav.s8 r0, q0, q1", "vldrb.u8 q1, [r1], #16", "vmladava.s8 r0, q3, q1",
        "vldrb.u8 q1, [r1], #16", "vmladav.s8 r2, q0, q1", "vldrb.u8 q1, [r1], #16", "vmladava.s8 r2, q3, q1",
        "vldrb.u8 q1, [r1], #16", "vmladav.s8 r4, q0, q1", "vldrb.u8 q1, [r1], #16", "vmladava.s8 r4, q3, q1",
        "vldrb.u8 q1, [r1], #16", "vmladav.s8 r8, q0, q1", "vldrb.u8 q1, [r1], #16", "vmladava.s8 r8, q3, q1"
    ]
}
four_keys! {
    /// Heads of fewer than 16 channels.
    narrow,
    ["vctp.8 r6", "vpst", "vldrbt.u8 q0, [r4]"],
    [
        "vpst", "vldrbt.u8 q1, [r1]", "add r1, r6", "vmladav.s8 r0, q0, q1", "vpst", "vldrbt.u8 q1, [r1]", "add r1, r6", "vmladav.s8 r2, q0, q1",
        "vpst", "vldrbt.u8 q1, [r1]", "add r1, r6", "vmladav.s8 r4, q0, q1", "vpst", "vldrbt.u8 q1, [r1]", "add r1, r6", "vmladav.s8 r8, q0, q1"
    ]
}
four_keys! {
    /// Heads of 17 to 31 channels.
    wide,
    ["sub r7, r6, #16", "vctp.8 r7", "vldrb.u8 q0, [r4]", "vpst", "vldrbt.u8 q3, [r4, #16]"],
    [
        "vldrb.u8 q1, [r1]", "vmladav.s8 r0, q0, q1", "vpst", "vldrbt.u8 q1, [r1, #16]", "add r1, r6", "vmladava.s8 r0, q3, q1",
        "vldrb.u8 q1, [r1]", "vmladav.s8 r2, q0, q1", "vpst", "vldrbt.u8 q1, [r1, #16]", "add r1, r6", "vmladava.s8 r2, q3, q1",
        "vldrb.u8 q1, [r1]", "vmladav.s8 r4, q0, q1", "vpst", "vldrbt.u8 q1, [r1, #16]", "add r1, r6", "vmladava.s8 r4, q3, q1",
        "vldrb.u8 q1, [r1]", "vmladav.s8 r8, q0, q1", "vpst", "vldrbt.u8 q1, [r1, #16]", "add r1, r6", "vmladava.s8 r8, q3, q1"
    ]
}

/// Logits of one query over every key, and their maximum.
///
/// # Safety
/// The processor has MVE; `scores` has one element for each key in `v`, of as many channels as `q`.
#[inline(never)]
unsafe fn logits(q: &[i8], v: &[i8], scores: &mut [i32]) -> i32 {
    let dim = q.len();
    let fours = if dim > 32 { 0 } else { scores.len() / 4 };
    let mut maximum = i32::MIN;
    if fours != 0 {
        let choice = match dim {
            8 => eight,
            16 => sixteen,
            32 => thirty_two,
            0..16 => narrow,
            _ => wide,
        };
        let keys = Keys { q: q.as_ptr(), v: v.as_ptr(), scores: scores.as_mut_ptr(), fours, dim };
        // SAFETY: MVE; reads `4 * fours` keys of `dim` channels (predicated where a vector is
        // longer) and writes as many scores, which exist by the contract.
        maximum = unsafe { choice(&keys) };
    }
    if let Some((keys, scores)) = v.get(4 * fours * dim..).zip(scores.get_mut(4 * fours..)) {
        for (key, score) in rows(keys, dim).zip(scores) {
            *score = dot(q, key);
            maximum = maximum.max(*score);
        }
    }
    maximum
}

/// Replaces the logits by their codes, of 16 bits each from the start of the buffer on, and returns
/// the sum of the codes.
///
/// # Safety
/// The processor has MVE; `args.exp` has 64 entries.
#[inline(never)]
unsafe fn codes(args: &Strip<'_>, maximum: i32, scores: &mut [i32]) -> u32 {
    let mut sum = 0u32;
    let start = scores.as_mut_ptr();
    // The table is read at `t & 63`; from a shift of 31 on nothing is left of an entry.
    // SAFETY: MVE; reads `scores.len()` logits, and writes half as many bytes of codes, never
    // beyond what it has read; the table has 64 entries.
    unsafe {
        asm!(
            "vmov.i32 q7, #63",
            "vdup.32 q6, {maximum}",
            "vdup.32 q5, {bits}",
            "vmvn.i32 q4, #30",
            "dlstp.32 lr, lr",
            "2:",
            "vldrw.u32 q0, [{scores}], #16",
            "vsub.i32 q0, q6, q0",
            "vqdmulh.s32 q0, q0, {mult}",
            "vrshl.s32 q0, {shift}",
            "vand q1, q0, q7",
            "vldrh.u32 q2, [{exp}, q1, uxtw #1]",
            "vshr.u32 q0, q0, #6",
            "vsub.i32 q0, q5, q0",
            "vmax.s32 q0, q0, q4",
            "vrshl.u32 q2, q2, q0",
            "vaddva.u32 r2, q2",
            "vstrh.32 q2, [r1], #8",
            "letp lr, 2b",
            maximum = in(reg) maximum, bits = in(reg) i32::from(args.bits) - 15, mult = in(reg) args.mult, shift = in(reg) 31 - i32::from(args.shift),
            exp = in(reg) args.exp.as_ptr(), scores = inout(reg) start => _, inout("r1") start => _, inout("r2") sum, inout("lr") scores.len() => _,
            out("q0") _, out("q1") _, out("q2") _, out("q4") _, out("q5") _, out("q6") _, out("q7") _, options(nostack),
        );
    }
    sum
}

/// Operands of [`weighted_sums`]. The assembly reads the fields at their offsets.
#[repr(C)]
struct Values<'a> {
    codes: *const i16,
    v: *const i8,
    /// `key * dim` of 8 keys.
    offsets: &'a [u16; 8],
    /// `8 * dim`.
    step: usize,
    /// Keys, not 0.
    keys: usize,
    /// Groups of four channels, not 0.
    fours: usize,
    reciprocal: i32,
    /// `31 - k`, -1 or less.
    shift: i32,
    pre_shift: u32,
    out: *mut i16,
}

/// `out[i] = rq(sum over keys of code * v[key][i])` with the reciprocal of the sum of the codes:
/// four channels at a time over eight keys at a time, gathered.
///
/// # Safety
/// The processor has MVE. `keys` codes and as many keys of `4 * fours` channels are readable, the
/// offset of the last below 2^16, and as many outputs as channels are writable.
#[unsafe(naked)]
unsafe extern "C" fn weighted_sums(values: &Values<'_>) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r11, lr}}",
        "vpush {{d8-d15}}",
        "ldrd r1, r2, [r0, #4]",
        "ldr r10, [r0, #12]",
        "ldr r11, [r0, #20]",
        "ldr r12, [r0, #36]",
        "vldrh.u16 q6, [r2]",
        "1:",
        "add r3, r1, #1",
        "add r5, r1, #2",
        "add r7, r1, #3",
        "mov r2, #0",
        "mov r4, #0",
        "mov r6, #0",
        "mov r8, #0",
        "vmov q7, q6",
        "ldr r9, [r0]",
        "ldr lr, [r0, #16]",
        "dlstp.16 lr, lr",
        "2:",
        "vldrh.u16 q0, [r9], #16",
        "vldrb.s16 q1, [r1, q7]",
        "vmladava.s16 r2, q0, q1",
        "vldrb.s16 q2, [r3, q7]",
        "vmladava.s16 r4, q0, q2",
        "vldrb.s16 q3, [r5, q7]",
        "vmladava.s16 r6, q0, q3",
        "vldrb.s16 q4, [r7, q7]",
        "vmladava.s16 r8, q0, q4",
        "vadd.i16 q7, q7, r10",
        "letp lr, 2b",
        "vmov q0[2], q0[0], r2, r6",
        "vmov q0[3], q0[1], r4, r8",
        "ldrd r3, r4, [r0, #24]",
        "ldr r5, [r0, #32]",
        "vshl.s32 q0, r5",
        "vqdmulh.s32 q0, q0, r3",
        "vrshl.s32 q0, r4",
        "mov r2, r12",
        "vstrh.32 q0, [r2]",
        "add r12, #8",
        "add r1, #4",
        "subs r11, #1",
        "bne 1b",
        "vpop {{d8-d15}}",
        "pop {{r4-r11, pc}}",
    )
}
