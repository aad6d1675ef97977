//! Capabilities of an AArch64 processor. The operating system tells them with feature `std`, and
//! without it on Linux and Android. Without an operating system the ID registers do, elsewhere the
//! build.

/// `sdot`.
pub(super) fn dotprod() -> bool {
    #[cfg(feature = "std")]
    let detected = std::arch::is_aarch64_feature_detected!("dotprod");
    #[cfg(all(not(feature = "std"), target_os = "none"))]
    let detected = (id_aa64isar0() >> 44) & 0xf != 0;
    #[cfg(all(not(feature = "std"), any(target_os = "linux", target_os = "android")))]
    let detected = crate::auxv::has(crate::auxv::DOTPROD);
    #[cfg(all(not(feature = "std"), not(any(target_os = "none", target_os = "linux", target_os = "android"))))]
    let detected = false;
    cfg!(target_feature = "dotprod") || detected
}

/// `smmla`.
pub(super) fn i8mm() -> bool {
    #[cfg(feature = "std")]
    let detected = std::arch::is_aarch64_feature_detected!("i8mm");
    #[cfg(all(not(feature = "std"), target_os = "none"))]
    let detected = (id_aa64isar1() >> 52) & 0xf != 0;
    #[cfg(all(not(feature = "std"), any(target_os = "linux", target_os = "android")))]
    let detected = crate::auxv::has(crate::auxv::I8MM);
    #[cfg(all(not(feature = "std"), not(any(target_os = "none", target_os = "linux", target_os = "android"))))]
    let detected = false;
    cfg!(target_feature = "i8mm") || detected
}

/// `fmlal`.
pub(super) fn fhm() -> bool {
    #[cfg(feature = "std")]
    let detected = std::arch::is_aarch64_feature_detected!("fhm");
    #[cfg(all(not(feature = "std"), target_os = "none"))]
    let detected = (id_aa64isar0() >> 48) & 0xf != 0;
    #[cfg(all(not(feature = "std"), any(target_os = "linux", target_os = "android")))]
    let detected = crate::auxv::has(crate::auxv::FHM);
    #[cfg(all(not(feature = "std"), not(any(target_os = "none", target_os = "linux", target_os = "android"))))]
    let detected = false;
    cfg!(target_feature = "fhm") || detected
}

#[cfg(all(not(feature = "std"), target_os = "none"))]
fn id_aa64isar0() -> u64 {
    let value;
    // SAFETY: reads a register that exists in every AArch64 processor; without an operating
    // system the code runs at EL1 or above, where it is readable.
    unsafe { core::arch::asm!("mrs {}, id_aa64isar0_el1", out(reg) value, options(pure, nomem, nostack, preserves_flags)) };
    value
}

#[cfg(all(not(feature = "std"), target_os = "none"))]
fn id_aa64isar1() -> u64 {
    let value;
    // SAFETY: as for `id_aa64isar0`.
    unsafe { core::arch::asm!("mrs {}, id_aa64isar1_el1", out(reg) value, options(pure, nomem, nostack, preserves_flags)) };
    value
}
