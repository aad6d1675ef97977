//! Every inequality of the loader against its definition in 128 bits, in which none of these
//! numbers overflows.

use std::{collections::BTreeMap, sync::LazyLock, vec, vec::Vec};

use bytemuck::Zeroable;
use hrvit_kernels::{Packing, requant};
use proptest::prelude::*;

use super::*;
use crate::{
    ablation::Ablation,
    graph::MAX_STEP_OPS,
    network::{Head, Network},
    record::StepRecord,
    spec::{Activation, Spec, VARIANTS},
};

/// Every bound on accumulators: they are below it.
const LIMIT: i128 = 1 << 31;
/// Magnitudes of codes: those that the loader knows, those around them, and those of every power of
/// two.
const MAGNITUDES: [i64; 22] = [0, 1, 2, 4, 8, 16, 32, 64, 127, 128, 255, 256, 512, 1024, 2048, 4080, 8191, 8192, 16384, 32766, 32767, 32768];
/// The least, a middle and the largest multiplier.
const MULTIPLIERS: [i32; 3] = [1 << 30, 1_500_000_001, i32::MAX];

/// The built-in variants, and the largest network that [`Spec::validate`] lets pass.
fn networks() -> Vec<Network> {
    let largest = Spec {
        stem: 1024,
        channels: [1024; 4],
        blocks: [&[1][..], &[1, 1], &[1, 1, 1], &[1, 1, 1, 1]].iter().map(|module| module.iter().copied().collect()).collect(),
        head_dim: 1024,
        windows: [1; 4],
        ratios: [8; 4],
        head_width: 4096,
        des_activation: Activation::Gelu,
        ablation: Ablation::NONE,
    };
    let specs = VARIANTS.iter().filter_map(|name| Spec::variant(name)).chain([largest]);
    let networks =
        specs.flat_map(|spec| [(Head::Segformer, 256), (Head::Classifier, 32767)].map(|(head, classes)| Network { spec: spec.clone(), head, classes }));
    let networks: Vec<Network> = networks.collect();
    networks.iter().for_each(|network| network.validate().unwrap());
    networks
}

/// One operator of every kind and depth.
fn operators() -> Vec<Op> {
    let networks = networks();
    let ops = networks.iter().flat_map(|network| network.steps().flat_map(|step| network.ops(step)));
    let ops: BTreeMap<(OpKind, usize), Op> = ops.map(|op| ((op.kind, op.depth()), op)).collect();
    assert!(ops.len() > 100 && ops.keys().any(|&(kind, depth)| kind == OpKind::Fc2 && depth == 8192), "{} operators", ops.len());
    ops.into_values().collect()
}

/// Operators that requantise accumulators.
fn requantising() -> Vec<Op> {
    operators().into_iter().filter(|op| !op.kind.is_norm()).collect()
}

/// An operator's record and arrays of one element, which every loop of the loader takes for all
/// channels.
struct Made {
    record: OpRecord,
    weights: Vec<i8>,
    bias: Vec<i32>,
    mult: Vec<i32>,
    shift: Vec<u8>,
    three: Vec<i32>,
}

impl Made {
    fn new(op: &Op, pre_shift: u8, bias: i32, (mult, shift): (i32, u8)) -> Self {
        let arrays = Arrays::of(op, Precision::Int8, Packing::Rows);
        let one = |count: usize| count.min(1);
        Self {
            record: OpRecord { pre_shift, ..OpRecord::zeroed() },
            weights: vec![127; one(arrays.weights)],
            bias: vec![bias; one(arrays.bias)],
            mult: vec![mult; one(arrays.mult)],
            shift: vec![shift; one(arrays.shift)],
            three: vec![1; one(arrays.three)],
        }
    }

    fn verdict(&self, op: &Op, input: i64) -> Result<i64, OpField> {
        let Self { record, weights, bias, mult, shift, three } = self;
        let params = OpParams { record, weights, packing: Packing::Rows, bias, mult, shift, three, table: &[], table16: &[] };
        requantisation(op, &params, input, MAX_THREE_S8)
    }
}

/// Largest magnitude of an accumulator: every code and every weight at its limit, and the bias of
/// their sign.
fn accumulator(op: &Op, input: i64, bias: i32) -> i128 {
    let arrays = Arrays::of(op, Precision::Int8, Packing::Rows);
    let products = if arrays.weights == 0 { 32768 } else { op.depth() as i128 * i128::from(input) * 127 };
    products + if arrays.bias == 0 { 0 } else { i128::from(bias).abs() }
}

/// The rule of `docs/quantisation.md`.
fn rq(acc: i128, pre_shift: u8, mult: i32, shift: u8) -> i128 {
    ((acc << pre_shift) * i128::from(mult) + (1 << (shift - 1))) >> shift
}

/// Whether a kind has no `pre_shift` to choose: it requantises products of two codes.
fn without_pre_shift(kind: OpKind) -> bool {
    matches!(kind, OpKind::Scores | OpKind::ParallelAct | OpKind::AttnAct | OpKind::FfnAct)
}

/// Compares the loader's verdict on one accumulator with the definition, and its bound with the
/// largest results. Returns the verdict.
fn compare(op: &Op, input: i64, bias: i32, pre_shift: u8, rate: (i32, u8)) -> bool {
    let what = || std::format!("{op:?}: codes up to {input}, bias {bias}, pre_shift {pre_shift}, rate {rate:?}");
    let acc = accumulator(op, input, bias);
    let rated = Arrays::of(op, Precision::Int8, Packing::Rows).mult > 0;
    let expected = if pre_shift > 30 || (pre_shift > 0 && without_pre_shift(op.kind)) {
        Err(OpField::PreShift)
    } else if rated && acc << pre_shift >= LIMIT {
        Err(OpField::Headroom)
    } else {
        Ok(())
    };
    let found = Made::new(op, pre_shift, bias, rate).verdict(op, input);
    assert_eq!(found.map(|_| ()), expected, "{}", what());
    if let (Ok(bound), true) = (found, rated) {
        let results = [acc, -acc].map(|acc| rq(acc, pre_shift, rate.0, rate.1));
        let largest = results.map(i128::abs).into_iter().max().unwrap();
        assert!(largest <= i128::from(bound) && i128::from(bound) <= largest + 1 && largest <= 1 << 30, "{}: {results:?}, bound {bound}", what());
        let by_kernels = [acc, -acc].map(|acc| i128::from(requant(i32::try_from(acc).unwrap(), pre_shift, rate.0, rate.1)));
        assert_eq!(by_kernels, results, "{}", what());
    }
    found.is_ok()
}

/// Biases around the one at which `acc << pre_shift` reaches the limit, and those at the ends of
/// their range.
fn boundary_biases(op: &Op, input: i64, pre_shift: u8) -> Vec<i32> {
    let limit = LIMIT.div_euclid(1 << pre_shift) - accumulator(op, input, 0);
    let near = (-2..=2).flat_map(|off| [limit + off, -(limit + off)]).filter_map(|bias| i32::try_from(bias).ok());
    near.chain([0, 1, -1, i32::MAX, i32::MIN]).collect()
}

#[test]
fn headroom_of_every_depth_magnitude_and_shift_is_that_of_128_bits() {
    let (mut loaded, mut refused) = (0, 0);
    for op in requantising() {
        for input in MAGNITUDES {
            for pre_shift in (0..=31).chain([32, 63, 64, 127, 128, 255]) {
                for bias in if pre_shift <= 30 { boundary_biases(&op, input, pre_shift) } else { vec![0] } {
                    let verdict = compare(&op, input, bias, pre_shift, (i32::MAX, 32));
                    *if verdict { &mut loaded } else { &mut refused } += 1;
                }
            }
        }
    }
    assert!(loaded > 100_000 && refused > 100_000, "{loaded} loaded, {refused} refused");
}

#[test]
fn a_shifted_accumulator_beyond_64_bits_is_refused() {
    // 9 * 512 codes of 32768, shifted by 30, are -8.4e18 in 64 bits: the stem of 1024 channels. As
    // is the classification head's bottleneck of every network.
    let wrapped: Vec<Op> =
        operators().into_iter().filter(|op| matches!((op.kind, op.depth()), (OpKind::StemConv2, 4608) | (OpKind::IncreaseConv2, 2304))).collect();
    assert_eq!(wrapped.len(), 2);
    for op in wrapped {
        assert!(accumulator(&op, 32768, 0) << 30 > i128::from(i64::MAX));
        assert_eq!(Made::new(&op, 30, 0, (i32::MAX, 62)).verdict(&op, 32768), Err(OpField::Headroom));
    }
}

#[test]
fn bounds_of_results_are_those_of_128_bits() {
    for op in requantising() {
        for (mult, shift) in MULTIPLIERS.iter().flat_map(|&mult| (32..=62).map(move |shift| (mult, shift))) {
            for pre_shift in [0, 1, 7] {
                for bias in boundary_biases(&op, 128, pre_shift) {
                    compare(&op, 128, bias, pre_shift, (mult, shift));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_record_is_judged_as_in_128_bits(
        at in any::<prop::sample::Index>(), input in 0i64..=32768, bias: i32, pre_shift in 0u8..=40, mult in (1i32 << 30)..=i32::MAX, shift in 32u8..=62,
    ) {
        static OPERATORS: LazyLock<Vec<Op>> = LazyLock::new(requantising);
        compare(at.get(&OPERATORS), input, bias, pre_shift, (mult, shift));
    }
}

#[test]
fn multipliers_and_shifts_outside_their_ranges_are_refused() {
    let op = operators().into_iter().find(|op| op.kind == OpKind::Fc1).unwrap();
    let verdict = |rate| Made::new(&op, 0, 0, rate).verdict(&op, 128).map(|_| ());
    for shift in 0..=255 {
        assert_eq!(verdict((1 << 30, shift)), if (32..=62).contains(&shift) { Ok(()) } else { Err(OpField::Shift) }, "{shift}");
    }
    for mult in [i32::MIN, -1, 0, 1, (1 << 30) - 1, 1 << 30, (1 << 30) + 1, i32::MAX] {
        let fits = (1i128 << 30..1 << 31).contains(&i128::from(mult));
        assert_eq!(verdict((mult, 40)), if fits { Ok(()) } else { Err(OpField::Multiplier) }, "{mult}");
    }
}

#[test]
fn sums_of_terms_are_judged_as_in_128_bits() {
    for pre_shift in 0..=30 {
        let limit = LIMIT.div_euclid(1 << pre_shift);
        // A step has at most as many terms as operators, each within 2^30 + 1.
        let largest = MAX_STEP_OPS as i128 * ((1 << 30) + 1);
        let sums = (-2..=2).flat_map(|off| [limit + off, limit - 32768 + off, largest + off, (1 << 30) + off]).chain([0, 1]).filter(|&sum| sum >= 0);
        for sum in sums {
            let narrow = i64::try_from(sum).unwrap();
            for kind in [OpKind::FusionAct, OpKind::IncreaseAct] {
                assert_eq!(sum_fits(kind, narrow, pre_shift), sum << pre_shift < LIMIT, "{kind:?} {sum} {pre_shift}");
            }
            assert_eq!(sum_fits(OpKind::DesLeft, narrow, 0), sum + 32768 < LIMIT, "{sum}");
            assert!(sum_fits(OpKind::Fc2, narrow, pre_shift), "an operator that stores no sum");
        }
        assert_eq!(sum_fits(OpKind::HeadAct, 0, pre_shift), (256i128 * 4 * 32768) << pre_shift < LIMIT, "{pre_shift}");
    }
}

#[test]
fn products_of_activations_fit_32_bits_at_the_limits_of_three() {
    let act = |kind| operators().into_iter().find(|op| op.kind == kind).unwrap();
    let verdict = |kind, three, most| {
        let mut made = Made::new(&act(kind), 0, 0, (1 << 30, 40));
        made.three = vec![three];
        let Made { record, weights, bias, mult, shift, three } = &made;
        let params = OpParams { record, weights, packing: Packing::Rows, bias, mult, shift, three, table: &[], table16: &[] };
        requantisation(&act(kind), &params, 128, most).map(|_| ())
    };
    // Per kind: the limit given, the limit kept, the codes, and the fractional bits in which
    // u = clamp(x + three, 0, 2 three) is.
    let cases = [
        (OpKind::ParallelAct, MAX_THREE_S8, MAX_THREE_S8, 128i128, 8u32),
        (OpKind::ParallelAct, MAX_THREE_S16, MAX_THREE_S16, i128::from(MAX_QV_S16), 0),
        (OpKind::AttnAct, MAX_THREE_S8, 32767, 32768, 0),
        (OpKind::AttnAct, MAX_THREE_S16, 32767, 32768, 0),
    ];
    for (kind, given, most, codes, bits) in cases {
        for three in [i32::MIN, -1, 0, 1, 2, most - 1, most, most + 1, i32::MAX] {
            let allowed = (1..=i128::from(most)).contains(&i128::from(three));
            assert_eq!(verdict(kind, three, given), if allowed { Ok(()) } else { Err(OpField::Three) }, "{kind:?} {three}");
            let wide = i128::from(three);
            for x in if allowed { vec![-codes, -1, 0, 1, codes - 1, codes] } else { vec![] } {
                let product = x * ((x << bits) + wide).clamp(0, 2 * wide);
                // A code of AttnAct is 32767 at most; that of ParallelAct reaches its limit on both
                // sides.
                assert!(product.abs() < LIMIT || (kind == OpKind::AttnAct && x == 32768), "{kind:?} {three} {x}: {product}");
                assert!(2 * wide < LIMIT && (x << bits) + wide < LIMIT);
            }
        }
    }
}

#[test]
fn dot_products_of_queries_are_judged_as_in_128_bits() {
    let networks = networks();
    let attention = |network: &Network| network.steps().find(|step| matches!(step, Step::Attention { .. })).map(|step| network.ops(step));
    let (mut loaded, mut refused) = (0, 0);
    for mut ops in networks.iter().filter_map(attention) {
        for dim in 1..=512u16 {
            ops.iter_mut().filter(|op| op.kind == OpKind::Scores).for_each(|op| (op.cin, op.cout) = (2 * dim, 2));
            let most = (0..).take_while(|&most: &i128| i128::from(dim) * most * most < i128::from(LOGITS_S16)).last().unwrap() as i32;
            for magnitude in [1, 127, most - 1, most, most + 1, 8190, 8191, 8192, 32766, 32767] {
                let hi = magnitude.min(32767) as i16;
                for (lo, hi) in [(-hi, hi), (0, hi), (-hi, 0), (i16::MIN, hi)] {
                    let made = Made::new(&ops[1], 0, 0, (1 << 30, 40));
                    let record = OpRecord { lo, hi, ..OpRecord::zeroed() };
                    let params = OpParams {
                        record: &record,
                        weights: &[],
                        packing: Packing::Rows,
                        bias: &made.bias,
                        mult: &[],
                        shift: &[],
                        three: &[],
                        table: &[],
                        table16: &[],
                    };
                    let largest = i128::from(lo).abs().max(i128::from(hi).abs());
                    // Two codes more: the difference of two such sums, which the kernels
                    // requantise, fits 32 bits.
                    let fits = largest <= i128::from(MAX_QV_S16) && i128::from(dim) * largest * largest < 1 << 30;
                    let found = ranges_s16(&ops[1], &params, &ops).is_ok();
                    assert_eq!(found, fits, "{dim} {lo} {hi}");
                    *if found { &mut loaded } else { &mut refused } += 1;
                }
            }
        }
    }
    assert!(loaded > 1000 && refused > 1000, "{loaded} loaded, {refused} refused");
}

#[test]
fn table_indices_are_judged_as_in_128_bits() {
    let ops = operators();
    let right = ops.iter().find(|op| op.kind == OpKind::DesRight).unwrap();
    let step = StepRecord::zeroed();
    for hi in i16::MIN..=i16::MAX {
        let exact = i128::from(hi) + 1;
        for len in [exact - 1, exact, exact + 1, 0, 1, 1 << 16, i128::from(u32::MAX)].into_iter().filter_map(|len| u32::try_from(len).ok()) {
            let record = OpRecord { hi, table_len: len, ..OpRecord::zeroed() };
            let expected = hi >= 0 && exact == i128::from(len);
            let params = StepParams { record: &step, ops: &[record], bytes: &[], packing: Packing::Rows };
            assert_eq!(ranges(right, &record, &params, &StepOps::new()).is_ok(), expected, "{hi} {len}");
            let params =
                OpParams { record: &record, weights: &[], packing: Packing::Rows, bias: &[], mult: &[], shift: &[], three: &[], table: &[], table16: &[] };
            assert_eq!(ranges_s16(right, &params, &StepOps::new()).is_ok(), expected, "{hi} {len}, 16 bits");
        }
    }
}

#[test]
fn layer_norms_fit_their_integers_at_the_limits_of_their_parameters() {
    let norm = operators().into_iter().find(|op| op.kind == OpKind::StageNorm).unwrap();
    let verdict = |gain: i32, offset: i32, pre_shift| {
        let mut made = Made::new(&norm, pre_shift, offset, (gain, 0));
        made.shift.clear();
        made.verdict(&norm, 128).map(|_| ())
    };
    let gains = [0, 1, -1, (1 << 15) - 1, 1 - (1 << 15), 1 << 15, -(1 << 15), i32::MAX, i32::MIN];
    let offsets = [0, 1, (1 << 29) - 1, 1 << 29, -(1 << 29), (1 << 29) + 1, -(1 << 29) - 1, i32::MAX, i32::MIN];
    for (gain, offset) in gains.iter().flat_map(|&gain| offsets.map(|offset| (gain, offset))) {
        let allowed = i128::from(gain).abs() < 1 << 15 && i128::from(offset).abs() <= 1 << 29;
        assert_eq!(verdict(gain, offset, 0), if allowed { Ok(()) } else { Err(OpField::Norm) }, "{gain} {offset}");
        assert_eq!(verdict(gain, offset, 1), Err(OpField::Norm));
        for shift in (1..=30u32).filter(|_| allowed) {
            for normalised in [i128::from(i16::MIN), i128::from(i16::MAX)] {
                let sum = normalised * i128::from(gain) + i128::from(offset) + (1 << (shift - 1));
                assert!(i32::try_from(sum >> shift).is_ok(), "{gain} {offset} {shift}");
            }
        }
    }
    // `C * S2 - S1^2 + eps` of the widest token.
    let largest = 1024i128 * 1024 * 32768 * 32768 + i128::from(*EPS.end());
    assert!(largest < 1 << 63, "{largest}");
    let arrays = Arrays::NONE;
    for (eps, norm_shift, norm_fraction) in [
        (0, 1, 10),
        (1, 0, 10),
        (1, 1, 10),
        (*EPS.end(), 30, 15),
        (*EPS.end(), 31, 15),
        (EPS.end() + 1, 30, 10),
        (u64::MAX, 255, 10),
        (1, 1, 9),
        (1, 1, 16),
        (1, 1, 0),
    ] {
        let bare = OpRecord { weights: NONE, bias: NONE, mult: NONE, shift: NONE, three: NONE, table: NONE, ..OpRecord::zeroed() };
        let record = OpRecord { eps, norm_shift, norm_fraction, ..bare };
        let allowed = (1..=1i128 << 62).contains(&i128::from(eps)) && (1..=30).contains(&norm_shift) && (10..=15).contains(&norm_fraction);
        let expected = if allowed { Ok(()) } else { Err(OpField::Norm) };
        assert_eq!(layout(&norm, &record, &arrays, false), expected, "{eps} {norm_shift} {norm_fraction}");
    }
}
