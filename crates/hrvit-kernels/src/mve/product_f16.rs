//! The sums of every f16 product: 3 rows with 8 channels, in f32.
//!
//! Rows are widened once and lie side by side, step by step, so that one `ldm` loads two steps of
//! all three. Weights are widened as they are read: `vcvtb` takes the even channels of a vector,
//! `vcvtt` the odd ones, and sums stay apart like that until they are stored, where the same
//! instructions bring them together again. Sums are those of the definition, in its order: products
//! of two f16 are exact in f32, and none of them is below the least normal number.

use core::arch::asm;

use half::f16;

use super::floats::Halves;

/// Rows of a tile.
pub(crate) const ROWS: usize = 3;

/// Sums of three rows with 8 channels.
pub(crate) type Block = [Halves; ROWS];

/// One step of depth of three rows.
pub(crate) type Step = [f32; ROWS];

/// Widens `rows` into the first `depth` steps from `packed` on.
///
/// # Safety
/// The processor has MVE. `depth` elements may be read from each of the rows, and so many steps be
/// written.
pub(crate) unsafe fn pack(rows: [*const f16; ROWS], depth: usize, packed: *mut Step) {
    for (r, row) in rows.into_iter().enumerate() {
        // SAFETY: MVE and the elements by the contract; the loop has `depth` lanes in all, and
        // scatters to every third element.
        unsafe {
            asm!(
                "vidup.u32 q1, r2, #4",
                "vmul.i32 q1, q1, {three}",
                "dlstp.32 lr, lr",
                "2:",
                "vldrh.u32 q0, [r0], #8",
                "vcvtb.f32.f16 q0, q0",
                "vstrw.32 q0, [r1, q1]",
                "add r1, #48",
                "letp lr, 2b",
                three = in(reg) ROWS, inout("r2") 0 => _,
                inout("r0") row => _, inout("r1") packed.cast::<f32>().add(r) => _, inout("lr") depth => _,
                out("q0") _, out("q1") _, options(nostack),
            );
        }
    }
}

/// Two steps of three rows times their weights: lines that load the weights of each.
macro_rules! multiply {
    ($packed:expr, $weights:expr, $depth:expr, $sums:expr, [$($load:literal),*], { $($operands:tt)* }) => {
        asm!(
            "vldrw.u32 q0, [{sums}]",
            "vldrw.u32 q1, [{sums}, #16]",
            "vldrw.u32 q2, [{sums}, #32]",
            "vldrw.u32 q3, [{sums}, #48]",
            "vldrw.u32 q4, [{sums}, #64]",
            "vldrw.u32 q5, [{sums}, #80]",
            "wls lr, lr, 3f",
            "2:",
            "ldm r0!, {{r2, r3, r4, r5, r8, r9}}",
            $($load,)*
            "vcvtt.f32.f16 q7, q6",
            "vcvtb.f32.f16 q6, q6",
            "vfma.f32 q1, q7, r2",
            "vfma.f32 q0, q6, r2",
            "vfma.f32 q3, q7, r3",
            "vfma.f32 q2, q6, r3",
            "vfma.f32 q5, q7, r4",
            "vfma.f32 q4, q6, r4",
            $($load,)*
            "vcvtt.f32.f16 q7, q6",
            "vcvtb.f32.f16 q6, q6",
            "vfma.f32 q1, q7, r5",
            "vfma.f32 q0, q6, r5",
            "vfma.f32 q3, q7, r8",
            "vfma.f32 q2, q6, r8",
            "vfma.f32 q5, q7, r9",
            "vfma.f32 q4, q6, r9",
            "le lr, 2b",
            "3:",
            "cmp {odd}, #0",
            "beq 4f",
            "ldm r0!, {{r2, r3, r4}}",
            $($load,)*
            "vcvtt.f32.f16 q7, q6",
            "vcvtb.f32.f16 q6, q6",
            "vfma.f32 q1, q7, r2",
            "vfma.f32 q0, q6, r2",
            "vfma.f32 q3, q7, r3",
            "vfma.f32 q2, q6, r3",
            "vfma.f32 q5, q7, r4",
            "vfma.f32 q4, q6, r4",
            "4:",
            "vstrw.32 q0, [{sums}]",
            "vstrw.32 q1, [{sums}, #16]",
            "vstrw.32 q2, [{sums}, #32]",
            "vstrw.32 q3, [{sums}, #48]",
            "vstrw.32 q4, [{sums}, #64]",
            "vstrw.32 q5, [{sums}, #80]",
            sums = in(reg) $sums, odd = in(reg) $depth % 2, $($operands)*
            inout("r0") $packed => _, inout("r1") $weights => _, inout("lr") $depth / 2 => _,
            out("r2") _, out("r3") _, out("r4") _, out("r5") _, out("r8") _, out("r9") _,
            out("q0") _, out("q1") _, out("q2") _, out("q3") _, out("q4") _, out("q5") _, out("q6") _, out("q7") _, options(nostack),
        )
    };
}

/// Adds the products of three rows with 8 channels, whose weights are a block: `depth` vectors one
/// after the other.
///
/// # Safety
/// The processor has MVE. `depth` steps may be read from `packed` on, 8 times as many weights, and
/// `sums` be written.
#[inline(never)] // one for all operators
pub(crate) unsafe fn contiguous(packed: *const Step, weights: *const f16, depth: usize, sums: &mut Block) {
    // SAFETY: by the contract.
    unsafe { multiply!(packed, weights, depth, sums.as_mut_ptr(), ["vldrh.u16 q6, [r1], #16"], {}) }
}

/// Adds the products of three rows with 8 channels, whose weights lie `stride` bytes apart from
/// step to step.
///
/// # Safety
/// The processor has MVE. `depth` steps may be read from `packed` on, 8 weights from each of so
/// many addresses, and `sums` be written.
#[inline(never)]
pub(crate) unsafe fn strided(packed: *const Step, weights: *const f16, stride: usize, depth: usize, sums: &mut Block) {
    // SAFETY: by the contract.
    unsafe { multiply!(packed, weights, depth, sums.as_mut_ptr(), ["vldrh.u16 q6, [r1]", "add r1, {stride}"], { stride = in(reg) stride, }) }
}
