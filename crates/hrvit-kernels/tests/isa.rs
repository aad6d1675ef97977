//! Names, availability and what runs where.

use hrvit_kernels::{Family, Isa, IsaError, Kernels, Packing};

#[test]
fn names_are_read_back() {
    for isa in Isa::ALL {
        assert_eq!(isa.name().parse(), Ok(isa));
        assert_eq!(isa.to_string(), isa.name());
    }
    for name in ["", "AVX2", "avx", "neon "] {
        assert_eq!(name.parse::<Isa>(), Err(IsaError::Unknown));
    }
    assert!(IsaError::Unknown.to_string().contains("neon_dotprod"));
}

#[test]
fn scalar_is_always_available_and_the_fastest_is_detected() {
    let available: Vec<Isa> = Isa::available().collect();
    assert_eq!(available.first(), Some(&Isa::Scalar));
    assert_eq!(available.last(), Some(&Isa::detect()));
    assert_eq!(Kernels::detect().isa(), Isa::detect());
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        assert_eq!(available.contains(&Isa::Avx2), has!("avx2") && has!("fma") && has!("f16c"));
    }
}

#[test]
fn what_is_missing_cannot_be_forced() {
    for isa in Isa::ALL {
        match Kernels::new(isa) {
            Ok(kernels) => assert!(kernels.isa() == isa && Isa::available().any(|other| other == isa)),
            Err(error) => {
                assert!(matches!(error, IsaError::NotBuilt(other) | IsaError::NotPresent(other) if other == isa));
                assert!(Isa::available().all(|other| other != isa) && error.to_string().contains(isa.name()));
            }
        }
    }
}

#[test]
fn every_family_names_a_file_of_its_instruction_set() {
    for isa in Isa::available() {
        let kernels = Kernels::new(isa).unwrap();
        for family in Family::ALL {
            let chosen = kernels.chosen(family).parse::<Isa>().expect("a file is called like an instruction set");
            assert!(chosen == Isa::Scalar || Isa::available().any(|other| other == chosen), "{} on {isa}: {chosen}", family.name());
        }
        for packing in Packing::ALL {
            assert!(kernels.chosen_gemm(packing).parse::<Isa>().is_ok());
        }
    }
    assert!(Family::ALL.iter().all(|family| Kernels::SCALAR.chosen(*family) == "scalar"));
}
