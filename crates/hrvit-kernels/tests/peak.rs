//! The loops that measure a processor's peak.

use hrvit_kernels::{Isa, Kernels};

#[test]
fn a_loop_counts_its_products_by_turns() {
    for isa in Isa::available() {
        let kernels = Kernels::new(isa).unwrap();
        for peak in kernels.peaks() {
            let one = peak.run(1);
            assert!(one > 0 && peak.run(7) == 7 * one && peak.run(0) == 0, "{isa}: {}", peak.name());
        }
    }
}

#[test]
fn every_vector_instruction_set_of_x86_64_has_loops_and_plain_code_has_none() {
    assert!(Kernels::SCALAR.peaks().is_empty());
    for isa in Isa::available().filter(|isa| cfg!(target_arch = "x86_64") && *isa != Isa::Scalar) {
        assert!(!Kernels::new(isa).unwrap().peaks().is_empty(), "{isa}");
    }
}
