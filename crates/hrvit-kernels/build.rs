//! Says which kernels the build has besides those that the architecture names: `hrvit_scalar`, and
//! for Cortex-M `hrvit_dsp`, `hrvit_mve` and `hrvit_float_unit`; and whether an AArch64 build may
//! access unaligned memory, `hrvit_unaligned`. Stable compilers show none of that to
//! `cfg(target_feature)`. All of it follows from the processor that the code is compiled for
//! (`-C target-cpu=cortex-m55`), the operating system and the flag
//! `-C target-feature=-strict-align`.

use std::env::var;

/// Processors with the DSP extension and no vectors.
const DSP: [&str; 5] = ["cortex-m4", "cortex-m7", "cortex-m33", "cortex-m35p", "star-mc1"];

/// Processors with vectors (MVE), which all have the DSP extension too.
const MVE: [&str; 3] = ["cortex-m52", "cortex-m55", "cortex-m85"];

/// Processors whose floating-point registers `asm!` may name. The compiler wants a unit for double
/// precision for that, which Cortex-M4 and Cortex-M33 lack.
const FLOAT_UNIT: [&str; 4] = ["cortex-m7", "cortex-m52", "cortex-m55", "cortex-m85"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
    println!("cargo:rustc-check-cfg=cfg(hrvit_dsp)");
    println!("cargo:rustc-check-cfg=cfg(hrvit_mve)");
    println!("cargo:rustc-check-cfg=cfg(hrvit_scalar)");
    println!("cargo:rustc-check-cfg=cfg(hrvit_float_unit)");
    println!("cargo:rustc-check-cfg=cfg(hrvit_unaligned)");
    let flags = var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    if var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") || flags.contains("-strict-align") {
        println!("cargo:rustc-cfg=hrvit_unaligned");
    }
    if var("CARGO_CFG_TARGET_ARCH").as_deref() != Ok("arm") {
        println!("cargo:rustc-cfg=hrvit_scalar");
        return;
    }
    // `-C` and its value are one argument or two; the last one counts.
    let cpu = flags.split('\x1f').filter_map(|flag| flag.trim_start_matches("-C").strip_prefix("target-cpu=")).next_back();
    // Every thumbv7em core (Cortex-M4, Cortex-M7) has the DSP extension, whatever the processor is
    // called.
    let thumbv7em = var("TARGET").is_ok_and(|target| target.starts_with("thumbv7em"));
    let cpu = cpu.unwrap_or("generic");
    let mve = MVE.contains(&cpu);
    if mve && var("CARGO_FEATURE_FP16").is_ok() && !has_float_vectors(&flags) {
        println!(
            "cargo::error=feature fp16 needs the float part of MVE: build for an eabihf target and without the target feature -mve.fp, or leave the feature out"
        );
    }
    let dsp = thumbv7em || DSP.contains(&cpu) || mve;
    // The fastest alone: the processor is known, and flash is dear.
    let every = var("CARGO_FEATURE_EVERY_ISA").is_ok();
    let float_unit = FLOAT_UNIT.contains(&cpu) && var("TARGET").is_ok_and(|target| target.ends_with("eabihf"));
    for (cfg, built) in [("hrvit_float_unit", float_unit), ("hrvit_mve", mve), ("hrvit_dsp", dsp && (every || !mve)), ("hrvit_scalar", every || !dsp)] {
        if built {
            println!("cargo:rustc-cfg={cfg}");
        }
    }
}

/// Whether a processor with MVE has floats, which its designer may leave out. The target's calling
/// convention tells it, unless an option says otherwise.
fn has_float_vectors(flags: &str) -> bool {
    var("TARGET").is_ok_and(|target| target.ends_with("eabihf")) && !flags.contains("-mve.fp")
}
