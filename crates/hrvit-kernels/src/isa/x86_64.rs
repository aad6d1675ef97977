//! Abilities of an x86-64 processor. `cpuid` is a user instruction: no operating system is asked.
//! Miri has none: there, the build alone decides.

/// AVX2, FMA and F16C, and an operating system that saves their registers.
pub(super) fn avx2() -> bool {
    cfg!(all(target_feature = "avx2", target_feature = "fma", target_feature = "f16c")) || {
        #[cfg(feature = "std")]
        {
            std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") && std::arch::is_x86_feature_detected!("f16c")
        }
        #[cfg(not(feature = "std"))]
        {
            const YMM: u64 = 0b110;
            const AVX2: u32 = 1 << 5;
            const F16C_FMA: u32 = 1 << 29 | 1 << 12;
            let leaf = |leaf| core::arch::x86_64::__cpuid_count(leaf, 0);
            saves(YMM) && leaf(7).ebx & AVX2 != 0 && leaf(1).ecx & F16C_FMA == F16C_FMA
        }
    }
}

/// `vpdpbusd` on the vectors of AVX2.
pub(super) fn avx_vnni() -> bool {
    cfg!(target_feature = "avxvnni") || {
        #[cfg(feature = "std")]
        {
            std::arch::is_x86_feature_detected!("avxvnni")
        }
        #[cfg(not(feature = "std"))]
        {
            const AVX_VNNI: u32 = 1 << 4;
            let leaf = |leaf, sub| core::arch::x86_64::__cpuid_count(leaf, sub);
            !cfg!(miri) && leaf(0, 0).eax >= 7 && leaf(7, 0).eax >= 1 && leaf(7, 1).eax & AVX_VNNI != 0
        }
    }
}

/// AVX-512 F, BW, CD, DQ, VL, VNNI and VBMI, and an operating system that saves its registers,
/// masks included.
pub(super) fn avx512() -> bool {
    cfg!(all(
        target_feature = "avx512f",
        target_feature = "avx512bw",
        target_feature = "avx512cd",
        target_feature = "avx512dq",
        target_feature = "avx512vl",
        target_feature = "avx512vnni",
        target_feature = "avx512vbmi"
    )) || {
        #[cfg(feature = "std")]
        {
            std::arch::is_x86_feature_detected!("avx512f")
                && std::arch::is_x86_feature_detected!("avx512bw")
                && std::arch::is_x86_feature_detected!("avx512cd")
                && std::arch::is_x86_feature_detected!("avx512dq")
                && std::arch::is_x86_feature_detected!("avx512vl")
                && std::arch::is_x86_feature_detected!("avx512vnni")
                && std::arch::is_x86_feature_detected!("avx512vbmi")
        }
        #[cfg(not(feature = "std"))]
        {
            const MASKS_ZMM: u64 = 0b1110_0110;
            const F_DQ_CD_BW_VL: u32 = 1 << 16 | 1 << 17 | 1 << 28 | 1 << 30 | 1 << 31;
            const VBMI_VNNI: u32 = 1 << 1 | 1 << 11;
            saves(MASKS_ZMM) && {
                let leaf = core::arch::x86_64::__cpuid_count(7, 0);
                leaf.ebx & F_DQ_CD_BW_VL == F_DQ_CD_BW_VL && leaf.ecx & VBMI_VNNI == VBMI_VNNI
            }
        }
    }
}

/// Whether the operating system saves all of `registers` (bits of XCR0), and `cpuid` has
/// leaf 7.
#[cfg(not(feature = "std"))]
fn saves(registers: u64) -> bool {
    use core::arch::x86_64::{__cpuid, _xgetbv};

    const OSXSAVE_AVX: u32 = 1 << 27 | 1 << 28;
    if cfg!(miri) || __cpuid(0).eax < 7 || __cpuid(1).ecx & OSXSAVE_AVX != OSXSAVE_AVX {
        return false;
    }
    // SAFETY: the processor has `xgetbv`, and the operating system has enabled it: OSXSAVE is
    // set.
    let saved = unsafe { _xgetbv(0) };
    saved & registers == registers
}
