//! Attention on AVX-VNNI: logits by `vpdpbusd`, four channels at a time, weighted sums by
//! `vpdpwssd`, two keys at a time. All else is [`avx2`](super::avx2).
//!
//! Queries become unsigned by 128 more; what that adds to the logits of a key, 128 times the sum of
//! its channels, is what its logits start from.

use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use super::Strip;
use super::avx2::{KEY_ORDER, MAX_STEPS, Products, run_with};
use crate::avx2::load16_i16;
use crate::avx2::rates::up_to;
use crate::avx2::tile::{ROWS, Step};
use crate::isa::AvxVnni;
use crate::slices::{rows_mut, window};

/// Computes the strip.
pub(super) fn run(_: AvxVnni, args: &Strip<'_>, scores: &mut [i32], out: &mut [i16]) {
    // SAFETY: the token proves AVX-VNNI and AVX2.
    unsafe { run_with::<Bytes>(args, scores, out) }
}

/// Logits by products of bytes.
struct Bytes;

/// 8 keys of 4 channels; the first of a block is what the 8 logits start from.
type Group = [[i8; 4]; 8];

impl Products for Bytes {
    type Keys = Group;
    type Query = u8;

    #[inline(always)]
    unsafe fn keys<'b>(args: &Strip<'_>, padded: usize, buffer: &'b mut [MaybeUninit<Group>; MAX_STEPS]) -> &'b [Group] {
        // Fits: a group has twice the channels of a step, which leaves room for the start of each
        // block; heads of 1 or 2 channels have few groups.
        let groups = 1 + args.dim.div_ceil(4);
        let buffer = buffer.get_mut(..padded / 8 * groups).unwrap_or_default();
        for (b, block) in rows_mut(buffer, groups).enumerate() {
            let order = if b % 2 == 0 { &KEY_ORDER[0] } else { &KEY_ORDER[1] };
            let rows = order.map(|key| {
                let first = (b / 2 * 16 + key) * args.dim;
                args.v.get(first..first + args.dim).unwrap_or_default()
            });
            let Some((start, block)) = block.split_first_mut() else { continue };
            start.write(rows.map(|row| (-128 * row.iter().map(|v| i32::from(*v)).sum::<i32>()).to_le_bytes().map(|byte| byte as i8)));
            for (g, group) in block.iter_mut().enumerate() {
                group.write(rows.map(|row| window(row, 4 * g).copied().unwrap_or_else(|| up_to(row, 4 * g, 0))));
            }
        }
        // SAFETY: the loops above have written all blocks.
        unsafe { buffer.assume_init_ref() }
    }

    #[inline(always)]
    unsafe fn query(codes: &[i8], to: &mut [MaybeUninit<u8>]) {
        to.fill(MaybeUninit::new(0));
        to.iter_mut().zip(codes).for_each(|(to, code)| _ = to.write(*code as u8 ^ 0x80));
    }

    #[inline(always)]
    unsafe fn logits(queries: [&[u8]; ROWS], keys: [&[Group]; 2]) -> [[__m256i; 2]; ROWS] {
        // SAFETY: the caller has AVX-VNNI.
        unsafe { logits(queries.map(|query| query.as_chunks::<4>().0), keys) }
    }

    #[inline(always)]
    unsafe fn sums<const N: usize>(codes: [&[[i16; 2]]; ROWS], channels: [&[Step]; N]) -> [[__m256i; N]; ROWS] {
        // SAFETY: the caller has AVX-VNNI.
        unsafe { sums(codes, channels) }
    }
}

/// Logits of 16 keys for 4 queries.
#[inline]
#[target_feature(enable = "avx2,avxvnni")]
fn logits(queries: [&[[u8; 4]]; ROWS], keys: [&[Group]; 2]) -> [[__m256i; 2]; ROWS] {
    let [Some((start0, first)), Some((start1, second))] = keys.map(<[Group]>::split_first) else { return [[_mm256_setzero_si256(); 2]; ROWS] };
    let mut acc = [[load32(start0), load32(start1)]; ROWS];
    let [q0, q1, q2, q3] = queries;
    for (keys, ((q0, q1), (q2, q3))) in first.iter().zip(second).zip(q0.iter().zip(q1).zip(q2.iter().zip(q3))) {
        let keys = [load32(keys.0), load32(keys.1)];
        for (acc, q) in acc.iter_mut().zip([q0, q1, q2, q3]) {
            let q = _mm256_set1_epi32(i32::from_le_bytes(*q));
            for (acc, keys) in acc.iter_mut().zip(keys) {
                *acc = _mm256_dpbusd_avx_epi32(*acc, q, keys);
            }
        }
    }
    acc
}

/// Weighted sums of `N` blocks of channels for 4 queries.
#[inline]
#[target_feature(enable = "avx2,avxvnni")]
fn sums<const N: usize>(codes: [&[[i16; 2]]; ROWS], channels: [&[Step]; N]) -> [[__m256i; N]; ROWS] {
    let mut acc = [[_mm256_setzero_si256(); N]; ROWS];
    let steps = codes.iter().map(|codes| codes.len()).chain(channels.iter().map(|channels| channels.len())).min().unwrap_or(0);
    for i in 0..steps {
        // SAFETY: `i` is below the length of all of them.
        let values = channels.map(|channels| load16_i16(unsafe { channels.get_unchecked(i) }));
        for (acc, codes) in acc.iter_mut().zip(codes) {
            // SAFETY: `i` is below the length of all of them; reads the 4 bytes of a pair, without
            // alignment.
            let pair = _mm256_set1_epi32(unsafe { codes.get_unchecked(i).as_ptr().cast::<i32>().read_unaligned() });
            for (acc, values) in acc.iter_mut().zip(values) {
                *acc = _mm256_dpwssd_avx_epi32(*acc, pair, values);
            }
        }
    }
    acc
}

/// 32 bytes.
#[inline]
#[target_feature(enable = "avx2")]
fn load32(group: &Group) -> __m256i {
    // SAFETY: reads the 32 bytes of the reference; the load needs no alignment.
    unsafe { _mm256_loadu_si256(group.as_ptr().cast()) }
}
