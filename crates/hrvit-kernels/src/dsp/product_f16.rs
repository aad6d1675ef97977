//! The sums of an f16 product: 2 rows with 8 channels, in f32.
//!
//! Two halves are read with one word and converted as they are needed. `vfma` rounds once where the
//! definition rounds a product and then a sum, and a product of two f16 is exact in f32: sums are
//! those of the definition, in its order.

use core::arch::asm;

use half::f16;

use crate::gemm_f16::BLOCK;

/// Rows of a tile.
pub(crate) const ROWS: usize = 2;

/// One step of depth: the weights of 8 channels, and 8 sums of both rows, whose elements are in
/// `$a` and `$b`.
macro_rules! step {
    ($a:literal, $b:literal) => {
        concat!(
            "vldm r1!, {{s16-s19}}\n",
            "vcvtb.f32.f16 s20, s16\n",
            "vcvtt.f32.f16 s21, s16\n",
            "vcvtb.f32.f16 s22, s17\n",
            "vcvtt.f32.f16 s23, s17\n",
            "vcvtb.f32.f16 s24, s18\n",
            "vcvtt.f32.f16 s25, s18\n",
            "vcvtb.f32.f16 s26, s19\n",
            "vcvtt.f32.f16 s27, s19\n",
            step!(@sums $a, "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"),
            step!(@sums $b, "s8", "s9", "s10", "s11", "s12", "s13", "s14", "s15"),
        )
    };
    (@sums $x:literal, $($sum:literal),*) => {
        step!(@each $x [$($sum),*] ["s20", "s21", "s22", "s23", "s24", "s25", "s26", "s27"])
    };
    (@each $x:literal [$($sum:literal),*] [$($weight:literal),*]) => {
        concat!($("vfma.f32 ", $sum, ", ", $weight, ", ", $x, "\n",)*)
    };
}

/// Adds the products of two rows with 8 channels, whose weights are a block: 8 for each step of
/// depth.
///
/// # Safety
/// The processor has a floating-point unit. `depth` elements may be read from each of `rows`, and 8
/// times as many weights, which begin at a multiple of 4 bytes.
#[inline(never)] // one for all operators
pub(crate) unsafe fn add(rows: [*const f16; ROWS], weights: *const f16, depth: usize, sums: &mut [[f32; BLOCK]; ROWS]) {
    let [a, b] = rows;
    // SAFETY: by the contract; a word of a row is read for every two elements of it, a half for the
    // last one where their number is odd.
    unsafe {
        asm!(
            "vldm {sums}, {{s0-s15}}",
            "cmp r2, #0",
            "beq 3f",
            "2:",
            "ldr r3, [{a}], #4",
            "ldr r4, [{b}], #4",
            "vmov s28, s29, r3, r4",
            "vcvtb.f32.f16 s30, s28",
            "vcvtb.f32.f16 s31, s29",
            step!("s30", "s31"),
            "vcvtt.f32.f16 s30, s28",
            "vcvtt.f32.f16 s31, s29",
            step!("s30", "s31"),
            "subs r2, #1",
            "bne 2b",
            "3:",
            "cmp {odd}, #0",
            "beq 4f",
            "ldrh r3, [{a}]",
            "ldrh r4, [{b}]",
            "vmov s28, s29, r3, r4",
            "vcvtb.f32.f16 s30, s28",
            "vcvtb.f32.f16 s31, s29",
            step!("s30", "s31"),
            "4:",
            "vstm {sums}, {{s0-s15}}",
            sums = in(reg) sums.as_mut_ptr(), odd = in(reg) depth % 2, a = inout(reg) a => _, b = inout(reg) b => _,
            inout("r1") weights => _, inout("r2") depth / 2 => _, out("r3") _, out("r4") _,
            out("d0") _, out("d1") _, out("d2") _, out("d3") _, out("d4") _, out("d5") _, out("d6") _, out("d7") _,
            out("d8") _, out("d9") _, out("d10") _, out("d11") _, out("d12") _, out("d13") _, out("d14") _, out("d15") _,
            options(nostack),
        );
    }
}
