//! Parts that the AArch64 kernels share: loads and stores, the requantisation of a vector, ways of
//! storing, the loop over tiles of a product.
//!
//! Functions with `#[target_feature(enable = "neon")]` are safe to call from each other. Every
//! kernel's entry takes a token ([`Neon`](crate::isa::Neon) or one that implies it) as the proof
//! that they may be called. Trait methods cannot have the attribute: they are `#[inline(always)]`
//! into functions that have it.
//!
//! Builds without an operating system may not assume unaligned accesses (`+strict-align`), under
//! which compilers make a vector load of 16 loads of bytes. There the loads are written as `ld1`
//! and `st1`, which ask for the alignment of one element only, whatever the system registers say.
//! Firmware that turns the MMU on before it runs the engine takes the shorter plain loads with
//! `-C target-feature=-strict-align`.

pub(crate) mod exponent;
#[cfg(feature = "fp16")]
#[allow(clippy::float_arithmetic, reason = "float kernels")]
pub(crate) mod floats;
pub(crate) mod pack;
pub(crate) mod product;
#[cfg(feature = "fp16")]
#[allow(clippy::float_arithmetic, reason = "float kernels")]
pub(crate) mod product_f16;
pub(crate) mod rates;
pub(crate) mod sink;

use core::arch::aarch64::*;

/// Declares a load of one vector.
macro_rules! load {
    ($name:ident, $element:ty, $vector:ty, $intrinsic:ident, $arrangement:literal) => {
        /// A vector from memory.
        ///
        /// # Safety
        /// The elements of a vector from `from` on may be read; `from` is aligned for one of them.
        #[inline(always)]
        pub(crate) unsafe fn $name(from: *const $element) -> $vector {
            #[cfg(hrvit_unaligned)]
            // SAFETY: the caller vouches for the elements.
            unsafe {
                $intrinsic(from)
            }
            #[cfg(not(hrvit_unaligned))]
            {
                let vector;
                // SAFETY: as above; the instruction reads these elements and nothing else.
                unsafe {
                    core::arch::asm!(concat!("ld1 {{{0:v}.", $arrangement, "}}, [{1}]"), out(vreg) vector, in(reg) from,
                        options(pure, readonly, nostack, preserves_flags))
                };
                vector
            }
        }
    };
}

/// Declares a store of one vector.
macro_rules! store {
    ($name:ident, $element:ty, $vector:ty, $intrinsic:ident, $arrangement:literal) => {
        /// A vector to memory.
        ///
        /// # Safety
        /// The elements of a vector from `to` on may be written; `to` is aligned for one of them.
        #[inline(always)]
        pub(crate) unsafe fn $name(to: *mut $element, vector: $vector) {
            #[cfg(hrvit_unaligned)]
            // SAFETY: the caller vouches for the elements.
            unsafe {
                $intrinsic(to, vector)
            }
            #[cfg(not(hrvit_unaligned))]
            // SAFETY: as above; the instruction writes these elements and nothing else.
            unsafe {
                core::arch::asm!(concat!("st1 {{{0:v}.", $arrangement, "}}, [{1}]"), in(vreg) vector, in(reg) to, options(nostack, preserves_flags))
            };
        }
    };
}

/// Copies `len` bytes that do not overlap. No call, as copies of an unknown length are; compilers
/// make one of a loop of loads and stores, too.
///
/// # Safety
/// The processor has NEON; `len` bytes may be read from `from` and written to `to`, and are apart.
#[inline(always)]
pub(crate) unsafe fn copy(from: *const i8, to: *mut i8, len: usize) {
    // SAFETY: the caller vouches for the bytes: the last vector ends with the last of them, and
    // what it shares with the one before is written twice.
    unsafe {
        if len >= 16 {
            if len >= 32 {
                core::arch::asm!(
                    "2:",
                    "ld1 {{v0.16b, v1.16b}}, [{from}], #32",
                    "subs {pairs}, {pairs}, #1",
                    "st1 {{v0.16b, v1.16b}}, [{to}], #32",
                    "b.ne 2b",
                    from = inout(reg) from => _, to = inout(reg) to => _, pairs = inout(reg) len / 32 => _, out("v0") _, out("v1") _, options(nostack)
                );
            }
            if len & 16 != 0 {
                let at = len / 32 * 32;
                store_s8x16(to.add(at), load_s8x16(from.add(at)));
            }
            if !len.is_multiple_of(16) {
                store_s8x16(to.add(len - 16), load_s8x16(from.add(len - 16)));
            }
        } else if len >= 8 {
            store_s8x8(to, load_s8x8(from));
            store_s8x8(to.add(len - 8), load_s8x8(from.add(len - 8)));
        } else {
            let mut at = 0;
            if len & 4 != 0 {
                (*to, *to.add(1), *to.add(2), *to.add(3)) = (*from, *from.add(1), *from.add(2), *from.add(3));
                at = 4;
            }
            if len & 2 != 0 {
                (*to.add(at), *to.add(at + 1)) = (*from.add(at), *from.add(at + 1));
                at += 2;
            }
            if len & 1 != 0 {
                *to.add(at) = *from.add(at);
            }
        }
    }
}

/// Copies `runs` runs of `N` bytes, 8, 16, 32 or 64, which begin `from_stride` and `to_stride`
/// bytes apart.
///
/// # Safety
/// The processor has NEON; the bytes of all runs may be read and written, and are apart.
#[inline(always)]
pub(crate) unsafe fn copy_runs<const N: usize>(mut from: *const u8, from_stride: usize, mut to: *mut u8, to_stride: usize, runs: usize) {
    macro_rules! copy {
        ($vectors:literal, $($register:tt),+) => {
            core::arch::asm!(
                concat!("ld1 {{", $vectors, "}}, [{from}], {from_stride}"),
                concat!("st1 {{", $vectors, "}}, [{to}], {to_stride}"),
                from = inout(reg) from, to = inout(reg) to, from_stride = in(reg) from_stride, to_stride = in(reg) to_stride,
                $(out($register) _,)+ options(nostack, preserves_flags)
            )
        };
    }
    for _ in 0..runs {
        // SAFETY: the caller vouches for the bytes; the pointers are not used behind the last run.
        unsafe {
            match N {
                8 => copy!("v0.8b", "v0"),
                16 => copy!("v0.16b", "v0"),
                32 => copy!("v0.16b, v1.16b", "v0", "v1"),
                _ => copy!("v0.16b, v1.16b, v2.16b, v3.16b", "v0", "v1", "v2", "v3"),
            }
        }
    }
}

/// Clears `vectors` times 16 bytes. No call, as above.
///
/// # Safety
/// The processor has NEON; so many bytes may be written.
#[inline(always)]
pub(crate) unsafe fn clear(to: *mut u8, vectors: usize) {
    // SAFETY: the caller vouches for the bytes: four vectors at a time, then the others.
    unsafe {
        core::arch::asm!(
            "movi v0.16b, #0",
            "movi v1.16b, #0",
            "movi v2.16b, #0",
            "movi v3.16b, #0",
            "cbz {fours}, 3f",
            "2:",
            "subs {fours}, {fours}, #1",
            "st1 {{v0.16b, v1.16b, v2.16b, v3.16b}}, [{to}], #64",
            "b.ne 2b",
            "3:",
            "cbz {ones}, 5f",
            "4:",
            "subs {ones}, {ones}, #1",
            "st1 {{v0.16b}}, [{to}], #16",
            "b.ne 4b",
            "5:",
            to = inout(reg) to => _, fours = inout(reg) vectors / 4 => _, ones = inout(reg) vectors % 4 => _,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, options(nostack)
        );
    }
}

/// The first `count` of 16 codes, at most 16, zeros behind them. No call, as copies of an unknown
/// length are.
///
/// # Safety
/// The processor has NEON, and `count` codes may be read.
#[inline(always)]
pub(crate) unsafe fn load_part(from: *const i8, count: usize) -> int8x16_t {
    // SAFETY: the caller vouches for the codes: the second half is read so that it ends with the
    // last of them, and moved.
    unsafe {
        if count == 8 {
            return vcombine_s8(load_s8x8(from), vdup_n_s8(0));
        }
        if count > 8 {
            let last = vreinterpret_u64_s8(load_s8x8(from.add(count - 8)));
            let high = vshl_u64(last, vdup_n_s64(8 * (count as i64 - 16)));
            return vcombine_s8(load_s8x8(from), vreinterpret_s8_u64(high));
        }
        let (mut codes, mut at) = ([0i8; 8], 0);
        if count & 4 != 0 {
            (codes[0], codes[1], codes[2], codes[3]) = (*from, *from.add(1), *from.add(2), *from.add(3));
            at = 4;
        }
        if count & 2 != 0 {
            (codes[at], codes[at + 1]) = (*from.add(at), *from.add(at + 1));
            at += 2;
        }
        if count & 1 != 0 {
            codes[at] = *from.add(at);
        }
        vcombine_s8(load_s8x8(codes.as_ptr()), vdup_n_s8(0))
    }
}

load!(load_s8x16, i8, int8x16_t, vld1q_s8, "16b");
load!(load_s8x8, i8, int8x8_t, vld1_s8, "8b");
load!(load_u8x8, u8, uint8x8_t, vld1_u8, "8b");
load!(load_s16x8, i16, int16x8_t, vld1q_s16, "8h");
load!(load_s32x4, i32, int32x4_t, vld1q_s32, "4s");
#[cfg(feature = "fp16")]
load!(load_u16x8, u16, uint16x8_t, vld1q_u16, "8h");
#[cfg(feature = "fp16")]
load!(load_u16x4, u16, uint16x4_t, vld1_u16, "4h");
#[cfg(feature = "fp16")]
load!(load_f32x4, f32, float32x4_t, vld1q_f32, "4s");
store!(store_s8x16, i8, int8x16_t, vst1q_s8, "16b");
store!(store_s8x8, i8, int8x8_t, vst1_s8, "8b");
store!(store_s16x8, i16, int16x8_t, vst1q_s16, "8h");
store!(store_s32x4, i32, int32x4_t, vst1q_s32, "4s");
#[cfg(feature = "fp16")]
store!(store_u16x8, u16, uint16x8_t, vst1q_u16, "8h");
#[cfg(feature = "fp16")]
store!(store_f32x4, f32, float32x4_t, vst1q_f32, "4s");
