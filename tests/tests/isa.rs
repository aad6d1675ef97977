//! Every instruction set that this processor has computes the same bytes, whatever the packing of
//! the weights, the tiles and the workers.

use hrvit_core::{Engine, Isa, Kernels, Model, Plan, Serial, SetupError, Threads, Tiling, packing_for};
use hrvit_format::{Head, Network, Size, aligned::AlignedBytes, record::Packing, writer::repack};
use hrvit_tests::{
    random_image::{random_frame, random_image},
    run::{every_tensor, every_tensor_on},
    specs::{size, tiny, variant},
};

fn cases() -> Vec<(Network, Size)> {
    let mut cases = Vec::new();
    for head in [Head::Segformer, Head::Classifier] {
        cases.extend([
            (tiny(head), size(96, 64)),
            (variant("nano", head, 11), size(192, 128)),
            (variant("b1", head, 19), size(224, 96)),
            (variant("b2", head, 5), size(64, 96)),
            (variant("b3w9", head, 19), size(96, 160)),
        ]);
    }
    cases
}

#[test]
fn every_instruction_set_equals_scalar_on_its_own_packing() {
    for (network, size) in cases() {
        let rows = random_image(&network, size, 41);
        let frame = random_frame(size, 42);
        let single = Plan::builder(&network, size).tiling(Tiling::Rows(1)).build().unwrap();
        let expected = every_tensor(&Model::load(&rows).unwrap(), &single, &Serial, &frame);
        for isa in Isa::available() {
            let kernels = Kernels::new(isa).unwrap();
            let packed = repack(&Model::load(&rows).unwrap(), packing_for(kernels)).unwrap();
            let model = Model::load(&packed).unwrap();
            assert!(every_tensor_on(kernels, &model, &single, &Serial, &frame) == expected, "{size} {isa}: tiles of one row");
            let tall = Plan::builder(&network, size).workers(2).tiling(Tiling::Within(64 << 20)).build().unwrap();
            assert!(every_tensor_on(kernels, &model, &tall, &Threads::new(2).unwrap(), &frame) == expected, "{size} {isa}: high tiles, two workers");
        }
    }
}

#[test]
fn every_packing_reads_the_same_by_plain_code() {
    for (network, size) in cases() {
        let rows = random_image(&network, size, 43);
        let frame = random_frame(size, 44);
        let plan = Plan::builder(&network, size).build().unwrap();
        let model = Model::load(&rows).unwrap();
        let expected = every_tensor(&model, &plan, &Serial, &frame);
        for packing in Packing::ALL {
            let packed = repack(&model, packing).unwrap();
            let packed = Model::load(&packed).unwrap();
            assert_eq!(packed.packing(), packing);
            assert!(every_tensor(&packed, &plan, &Serial, &frame) == expected, "{size} {packing}");
            assert!(repack(&packed, Packing::Rows).unwrap()[..] == rows[..], "{size}: {packing} and back is another image");
        }
    }
}

/// A processor never crawls through another's packing unnoticed.
#[test]
fn a_packing_that_only_plain_code_reads_is_refused() {
    let (network, size) = (tiny(Head::Segformer), size(32, 32));
    let plan = Plan::builder(&network, size).build().unwrap();
    let rows = random_image(&network, size, 1);
    for isa in Isa::available() {
        let kernels = Kernels::new(isa).unwrap();
        for packing in Packing::ALL {
            let image = repack(&Model::load(&rows).unwrap(), packing).unwrap();
            let model = Model::load(&image).unwrap();
            let mut arena = AlignedBytes::zeroed(plan.arena_bytes());
            let crawls = isa != Isa::Scalar && packing != packing_for(kernels) && kernels.chosen_gemm(packing) == "scalar";
            let expected = crawls.then_some(SetupError::PackingNeeds { packing, isa, fast: packing_for(kernels) });
            let error = Engine::with_kernels(&model, plan.clone(), Serial, &mut arena, kernels).err();
            assert_eq!(error, expected, "{isa} {packing}");
        }
    }
}
