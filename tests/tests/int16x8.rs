//! Steps of 16-bit codes and 8-bit weights beside int8 ones: no instruction set, packing, tile,
//! number of workers or way of reading weights changes a byte. The loader refuses images that could
//! overflow.

use hrvit_core::{
    Engine, Isa, Kernels, Logit, Model, ModelHead, NoObserver, Plan, Serial, SetupError, Streamed, Threads, Tiling, WeightPlacement, packing_for, read_head,
};
use hrvit_format::{
    Head, LoadError, Network, OpField, OpKind, Size, Step, WideParts,
    aligned::AlignedBytes,
    record::{Packing, Precision},
    writer::{OpData, repack},
};
use hrvit_tests::{
    flash::Flash,
    mixed_image::{mixed_image, random_precisions},
    random_image::{made_image, random_frame, try_image},
    run::{every_tensor, every_tensor_on, with_engine},
    specs::{size, tiny, variant},
};

/// Networks with their images: all in 16 bits, or parts of them.
fn cases() -> Vec<(Network, Size, AlignedBytes)> {
    let mut cases = Vec::new();
    for (network, size) in
        [(tiny(Head::Segformer), size(96, 64)), (tiny(Head::Classifier), size(64, 96)), (variant("nano", Head::Segformer, 11), size(160, 96))]
    {
        let whole = mixed_image(&network, size, 51, |_| Precision::Int16x8);
        let mixed = mixed_image(&network, size, 52, random_precisions(&network, 52));
        cases.extend([(network.clone(), size, whole), (network, size, mixed)]);
    }
    cases
}

fn planned(model: &ModelHead<'_>, workers: usize, placement: WeightPlacement, tiling: Tiling) -> Plan {
    Plan::for_model(model).workers(workers).weights(placement).tiling(tiling).build().unwrap()
}

#[test]
fn tiles_and_workers_change_no_byte() {
    for (_, size, image) in cases() {
        let model = Model::load(&image).unwrap();
        let frame = random_frame(size, 53);
        let run = |workers, tiling| match workers {
            1 => every_tensor(&model, &planned(&model, 1, WeightPlacement::Mapped, tiling), &Serial, &frame),
            _ => every_tensor(&model, &planned(&model, workers, WeightPlacement::Mapped, tiling), &Threads::new(workers).unwrap(), &frame),
        };
        let single = run(1, Tiling::Rows(1));
        for (workers, tiling) in [(1, Tiling::Rows(3)), (1, Tiling::Rows(8)), (1, Tiling::Smallest), (3, Tiling::Rows(2)), (2, Tiling::Within(64 << 20))] {
            assert!(run(workers, tiling) == single, "{size}: {workers} workers, {tiling:?}");
        }
    }
}

#[test]
fn every_instruction_set_and_packing_gives_the_same_bytes() {
    for (_, size, image) in cases() {
        let model = Model::load(&image).unwrap();
        let frame = random_frame(size, 54);
        let plan = planned(&model, 1, WeightPlacement::Mapped, Tiling::Smallest);
        let expected = every_tensor(&model, &plan, &Serial, &frame);
        for isa in Isa::available() {
            let kernels = Kernels::new(isa).unwrap();
            let packed = repack(&model, packing_for(kernels)).unwrap();
            assert!(every_tensor_on(kernels, &Model::load(&packed).unwrap(), &plan, &Serial, &frame) == expected, "{size}: {isa}");
            assert!(repack(&Model::load(&packed).unwrap(), Packing::Rows).unwrap()[..] == image[..], "{size}: {isa}: packed and back is another image");
        }
    }
}

#[test]
fn streamed_weights_give_the_same_logits() {
    for (_, size, image) in cases() {
        let frame = random_frame(size, 55);
        let mut expected = Vec::new();
        with_engine(&Model::load(&image).unwrap(), |engine| {
            expected.resize(engine.logits_len(), Logit::default());
            engine.logits(&frame, &mut expected, &NoObserver).unwrap();
        });
        let (mut head, mut flash) = (AlignedBytes::zeroed(64 << 10), Flash::new(&image));
        let model = read_head(&mut flash, &mut head).unwrap();
        let plan = planned(&model, 1, WeightPlacement::streamed(&model), Tiling::Smallest);
        let mut arena = AlignedBytes::zeroed(plan.arena_bytes());
        let weights = Streamed::open(model, flash, &mut arena).unwrap();
        let mut engine = Engine::with_kernels(weights, plan, Serial, &mut arena, Kernels::SCALAR).unwrap();
        let mut logits = vec![Logit::default(); engine.logits_len()];
        engine.logits(&frame, &mut logits, &NoObserver).unwrap();
        assert_eq!(logits, expected, "{size}");
    }
}

#[test]
fn a_plan_for_8_bits_is_refused() {
    let (network, size) = (tiny(Head::Segformer), size(64, 64));
    let image = mixed_image(&network, size, 1, |step| if matches!(step, Step::MixCfn { .. }) { Precision::Int16x8 } else { Precision::Int8 });
    let model = Model::load(&image).unwrap();
    let refused = |precisions: WideParts| {
        let plan = Plan::builder(&network, size).precisions(precisions).build().unwrap();
        Engine::new(&model, plan, Serial, AlignedBytes::zeroed(1 << 20)).err()
    };
    assert_eq!(refused(WideParts::NONE), Some(SetupError::Precision));
    assert_eq!(refused(WideParts::ALL), Some(SetupError::Precision), "half precision is another");
}

#[test]
fn an_accumulator_that_leaves_64_bits_when_shifted_is_refused() {
    // 9 * 256 codes of 32767 with weights of 127, shifted by 30: negative in 64 bits.
    let made = try_image(
        &tiny(Head::Classifier),
        size(32, 32),
        1,
        None,
        |_| Precision::Int16x8,
        |step, ops| {
            if step == (Step::Increase { branch: 3 }) {
                let at = ops.iter().position(|op| op.weights.len() == 9 * 256 * 256).unwrap();
                ops[at - 1].hi = i16::MAX;
                ops[at].pre_shift = 30;
                ops[at].weights.fill(127);
                ops[at].bias.fill(0);
            }
        },
    );
    assert!(matches!(made.map(|_| ()), Err(LoadError::Op(_, OpField::Headroom))));
}

/// The operator and field that the loader blames, of an image in 16 bits whose operators of `kind`
/// were edited.
fn blamed(head: Head, kind: OpKind, edit: impl Fn(&mut OpData)) -> (OpKind, OpField) {
    let (network, size) = (tiny(head), size(32, 32));
    let error = try_image(
        &network,
        size,
        3,
        None,
        |_| Precision::Int16x8,
        |step, ops| {
            let shapes = network.ops(step);
            shapes.iter().zip(ops).filter(|(op, _)| op.kind == kind).for_each(|(_, data)| edit(data));
        },
    );
    let Err(LoadError::Op(index, field)) = error.map(|_| ()) else { panic!("{kind}: not refused for an operator") };
    let kinds: Vec<OpKind> = network.steps().flat_map(|step| network.ops(step)).map(|op| op.kind).collect();
    (kinds[usize::from(index)], field)
}

#[test]
fn what_could_overflow_is_refused_at_the_operator_that_would() {
    use OpKind as K;
    let segmentor = |kind, edit: &dyn Fn(&mut OpData)| blamed(Head::Segformer, kind, edit);
    let classifier = |kind, edit: &dyn Fn(&mut OpData)| blamed(Head::Classifier, kind, edit);
    // A bias that leaves products no room, with the codes as they are.
    assert_eq!(segmentor(K::Fc1, &|op| op.bias[0] = i32::MAX), (K::Fc1, OpField::Headroom));
    assert_eq!(segmentor(K::FfnDepthwise5, &|op| op.bias[0] = i32::MAX), (K::FfnDepthwise5, OpField::Headroom));
    // Codes of a 3x3 over many channels must be limited by the operator before it.
    assert_eq!(classifier(K::IncreaseConv1, &|op| op.hi = i16::MAX), (K::IncreaseConv2, OpField::Headroom));
    // And by the step before it: the downsampling of the next branch, the last convolution's
    // reader.
    assert_eq!(classifier(K::FinalConv, &|op| op.hi = i16::MAX), (K::FinalLinear, OpField::Headroom));
    assert_eq!(classifier(K::IncreaseAct, &|op| op.hi = i16::MAX), (K::IncreaseDownsample, OpField::Headroom));
    // Logits of more than 30 bits, means of more than 16.
    assert_eq!(segmentor(K::Qkv, &|op| op.hi = 8192), (K::Qkv, OpField::Range));
    // Sums of terms beyond 31 bits.
    assert_eq!(segmentor(K::FusionAct, &|op| op.pre_shift = 20), (K::FusionAct, OpField::Headroom));
    // Hardswish of v by a code of 3.0 that makes products too large.
    assert_eq!(segmentor(K::ParallelAct, &|op| op.three[0] = (1 << 17) + 1), (K::ParallelAct, OpField::Three));
}

#[test]
fn codes_and_tables_that_contradict_their_limits_are_refused() {
    use OpKind as K;
    let segmentor = |kind, edit: &dyn Fn(&mut OpData)| blamed(Head::Segformer, kind, edit);
    assert_eq!(segmentor(K::Fc1, &|op| op.zero = 1), (K::Fc1, OpField::Range));
    assert_eq!(segmentor(K::Fc1, &|op| op.lo = 1), (K::Fc1, OpField::Range));
    assert_eq!(segmentor(K::Fc1, &|op| op.pad = 1), (K::Fc1, OpField::Range));
    assert_eq!(segmentor(K::HeadAct, &|op| op.lo = -1), (K::HeadAct, OpField::Range));
    assert_eq!(segmentor(K::FfnAct, &|op| op.hi = 0), (K::FfnAct, OpField::Range), "entries above the limit");
    assert_eq!(segmentor(K::FusionAct, &|op| op.table16.truncate(1024)), (K::FusionAct, OpField::Table));
    assert_eq!(segmentor(K::Scores, &|op| op.code_bits = 8), (K::Scores, OpField::CodeBits));
    assert_eq!(segmentor(K::FusionNarrow, &|op| op.mult = vec![1 << 30; 8]), (K::FusionNarrow, OpField::Array));
}

#[test]
fn parts_that_share_tensors_have_one_precision() {
    let (network, size) = (tiny(Head::Segformer), size(32, 32));
    let only_fusions = |step| if matches!(step, Step::Fusion { .. }) { Precision::Int16x8 } else { Precision::Int8 };
    let error = try_image(&network, size, 3, None, only_fusions, |_, _| ());
    assert_eq!(error.map(|_| ()), Err(LoadError::MixedPrecision));
}

#[test]
fn an_image_carries_its_golden_frame_in_16_bits_too() {
    let (network, size) = (tiny(Head::Segformer), size(32, 32));
    let crcs: Vec<u32> = (0..network.steps().count() as u32).collect();
    let frame = random_frame(size, 3);
    let golden = hrvit_format::Golden { crcs: &crcs, frame: &frame, result: None };
    let image = made_image(&network, size, 3, Some(golden), |_| Precision::Int16x8, |_, _| ());
    assert_eq!(Model::load(&image).unwrap().golden().unwrap().crcs, crcs);
}
