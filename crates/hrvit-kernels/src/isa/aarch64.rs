//! Capabilities of an AArch64 processor. The operating system tells them with feature `std`, and
//! without it on Linux and Android. Without an operating system the ID registers do, elsewhere the
//! build.

/// Declares whether there are the instructions of a feature: its name, its field in an ID register,
/// its bit in the auxiliary vector.
macro_rules! capability {
    ($(#[doc = $doc:literal])+ $name:ident, $feature:tt, $register:ident >> $field:literal, $bit:ident) => {
        $(#[doc = $doc])+
        pub(super) fn $name() -> bool {
            #[cfg(feature = "std")]
            let detected = std::arch::is_aarch64_feature_detected!($feature);
            #[cfg(all(not(feature = "std"), target_os = "none"))]
            let detected = ($register() >> $field) & 0xf != 0;
            #[cfg(all(not(feature = "std"), any(target_os = "linux", target_os = "android")))]
            let detected = crate::auxv::has(crate::auxv::$bit);
            #[cfg(all(not(feature = "std"), not(any(target_os = "none", target_os = "linux", target_os = "android"))))]
            let detected = false;
            cfg!(target_feature = $feature) || detected
        }
    };
}

capability! {
    /// `sdot`.
    dotprod, "dotprod", id_aa64isar0 >> 44, DOTPROD
}
capability! {
    /// `smmla`.
    i8mm, "i8mm", id_aa64isar1 >> 52, I8MM
}
capability! {
    /// `fmlal`.
    fhm, "fhm", id_aa64isar0 >> 48, FHM
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
