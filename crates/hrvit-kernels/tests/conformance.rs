//! Every instruction set of this machine against the definition. One that the processor or the
//! build lacks is printed as skipped; `REQUIRE_ISA=avx2,scalar` makes that a failure.
//! `CONFORMANCE_ROUNDS` sets the rounds.

use hrvit_kernels::conformance::{Case, SCRATCH, run};
use hrvit_kernels::{Epilogue, Gemm, Isa, Kernels, Range8, Requant};

/// Rounds where the environment names none.
const ROUNDS: u32 = 3;

fn rounds() -> u32 {
    std::env::var("CONFORMANCE_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().expect("CONFORMANCE_ROUNDS is a number"))
}

#[test]
fn every_available_instruction_set_equals_scalar() {
    let mut scratch = vec![0; SCRATCH];
    for isa in Isa::available() {
        let mut failures: Vec<Case> = Vec::new();
        let summary = run(Kernels::new(isa).unwrap(), rounds(), &mut scratch, &mut |case| failures.extend(case.outcome.err().map(|_| case)));
        println!("\nconformance {isa}: {} cases", summary.cases);
        assert!(failures.is_empty(), "{isa}: {} of {} cases, the first: {:#?}", failures.len(), summary.cases, &failures[..failures.len().min(8)]);
        assert!(summary.cases > 1000 * rounds());
    }
    for isa in Isa::ALL {
        if let Err(error) = Kernels::new(isa) {
            println!("\nconformance {isa}: SKIPPED, {error}");
        }
    }
}

#[test]
fn required_instruction_sets_are_available() {
    let required = std::env::var("REQUIRE_ISA").unwrap_or_default();
    for name in required.split(',').filter(|name| !name.is_empty()) {
        let isa = name.parse::<Isa>().unwrap_or_else(|error| panic!("REQUIRE_ISA={name}: {error}"));
        if let Err(error) = Kernels::new(isa) {
            panic!("REQUIRE_ISA: {error}");
        }
    }
}

/// `REQUIRE_IN_ORDER=true` or `false` says how the cores of this machine execute.
#[test]
fn required_loops_are_those_of_the_core() {
    if let Ok(required) = std::env::var("REQUIRE_IN_ORDER") {
        let required: bool = required.parse().expect("REQUIRE_IN_ORDER is true or false");
        for isa in Isa::available() {
            assert_eq!(Kernels::new(isa).unwrap().runs_in_order(), required && isa != Isa::Scalar, "{isa}");
        }
        assert_eq!(Kernels::detect().runs_in_order(), required);
    }
}

#[test]
fn too_little_scratch_is_a_failure() {
    let mut failures = 0;
    let summary = run(Kernels::SCALAR, 1, &mut [0; 64], &mut |case| failures += u32::from(case.outcome.is_err()));
    assert!(failures > 0 && summary.failures == failures);
}

#[test]
fn a_shorter_output_is_refused_by_every_instruction_set() {
    let requant = Requant { mult: &[1 << 30; 8], shift: &[40; 8], pre_shift: 0 };
    let args = Gemm { a: &[1; 32], depth: 4, weights: &[1; 32], bias: &[0; 8], requant };
    for isa in Isa::available() {
        let mut out = [7; 63];
        let range = Range8 { zero: 0, lo: -128, hi: 127 };
        assert!(Kernels::new(isa).unwrap().gemm_s8(&args, Epilogue::Store8 { out: &mut out, range }).is_err());
        assert_eq!(out, [7; 63]);
    }
}
