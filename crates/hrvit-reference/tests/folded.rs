//! The exact rewrites change no result, whatever the variant, the head, the shape of the frame and
//! the strips it is cut into.

mod small;

use hrvit_format::{ColourOrder, Head, Network, OpKind, Preprocess, Size, Spec, Step};
use hrvit_reference::{Checkpoint, Folded, Frame, Map, Model, NoTap, State, Tap};

/// Largest difference of logits allowed, as a part of their largest magnitude: the two forward
/// passes round in different places.
const TOLERANCE: f32 = 1e-5;

fn network(variant: &str, head: Head) -> Network {
    Network { spec: Spec::variant(variant).unwrap(), head, classes: 19 }
}

/// A frame with edges, flat parts and full range.
fn frame(height: u16, width: u16) -> Frame {
    let pixel = |i: usize| {
        let (row, column, c) = (i / 3 / usize::from(width), i / 3 % usize::from(width), i % 3);
        if (row / 9 + column / 13) % 3 == c { 255 } else { ((row * 5) ^ (column * 3) ^ (c * 77)) as u8 }
    };
    Frame::new(Size { height, width }, (0..usize::from(height) * usize::from(width) * 3).map(pixel).collect()).unwrap()
}

fn folding_changes_nothing(variant: &str, head: Head, height: u16, width: u16) {
    let checkpoint = Checkpoint::synthetic(&network(variant, head), 7).unwrap();
    let folded = Folded::new(&checkpoint).forward(frame(height, width), &mut NoTap);
    let written = Model::new(checkpoint).forward(&frame(height, width), &mut |_, _| {});
    assert_eq!((folded.rows, folded.columns, folded.channels), (written.rows, written.columns, written.channels));
    let largest = written.data.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    let worst = written.data.iter().zip(&folded.data).fold(0.0f32, |m, (a, b)| m.max((a - b).abs())) / largest;
    println!("{variant} {head:?} {height}x{width}: {worst:.2e}");
    assert!(worst <= TOLERANCE, "{variant} {head:?} {height}x{width}: {worst:.2e}");
}

#[test]
fn b1_segmentor_wide() {
    folding_changes_nothing("b1", Head::Segformer, 64, 96);
}

#[test]
fn b1_segmentor_tall() {
    folding_changes_nothing("b1", Head::Segformer, 96, 64);
}

#[test]
fn b1_classifier() {
    folding_changes_nothing("b1", Head::Classifier, 64, 96);
}

#[test]
fn b1_smallest_frame() {
    folding_changes_nothing("b1", Head::Segformer, 32, 32);
}

#[test]
fn b2_head_dim_that_is_no_power_of_two() {
    folding_changes_nothing("b2", Head::Segformer, 64, 64);
}

#[test]
fn b3w9_partial_strips() {
    folding_changes_nothing("b3w9", Head::Segformer, 160, 96);
}

#[test]
fn nano_segmentor() {
    folding_changes_nothing("nano", Head::Segformer, 192, 256);
}

#[test]
fn nano_classifier() {
    folding_changes_nothing("nano", Head::Classifier, 96, 64);
}

#[test]
fn every_operator_has_as_many_weights_as_the_graph_says() {
    for head in [Head::Segformer, Head::Classifier] {
        let folded = Folded::new(&Checkpoint::synthetic(&small::network(head), 1).unwrap());
        for step in folded.network().steps() {
            for (index, op) in folded.network().ops(step).iter().enumerate() {
                let keeps_affine = matches!(op.kind, OpKind::EmbedNorm | OpKind::StageNorm);
                let weight = if keeps_affine { op.cout.into() } else { op.weight_count() };
                let found = folded.weights(step, index).map_or((0, 0), |w| (w.weight.len(), w.bias.len()));
                assert_eq!(found, (weight, if weight > 0 { op.cout.into() } else { 0 }), "{step} {}", op.kind);
            }
        }
    }
}

/// Runs every operator again on its own.
struct Again<'a> {
    folded: &'a Folded,
    seen: usize,
}

impl Tap for Again<'_> {
    fn op(&mut self, step: Step, op: usize, kind: OpKind, input: &Map, output: &mut Map) {
        self.seen += 1;
        if kind != OpKind::IncreaseAct {
            assert_eq!(&self.folded.run_op(step, op, input), output, "{step} {kind}");
        }
    }
}

#[test]
fn an_operator_on_its_own_equals_the_one_in_its_step() {
    for head in [Head::Segformer, Head::Classifier] {
        let folded = Folded::new(&Checkpoint::synthetic(&small::network(head), 1).unwrap());
        let mut again = Again { folded: &folded, seen: 0 };
        folded.forward(frame(32, 32), &mut again);
        assert_eq!(again.seen, folded.network().steps().map(|step| folded.network().ops(step).len()).sum::<usize>());
    }
}

/// Doubles what one operator gives, or one residual.
struct Double(Step, Option<OpKind>);

impl Tap for Double {
    fn op(&mut self, step: Step, _: usize, kind: OpKind, _: &Map, output: &mut Map) {
        if (step, Some(kind)) == (self.0, self.1) {
            output.data.iter_mut().for_each(|x| *x *= 2.0);
        }
    }

    fn residual(&mut self, step: Step, x: &mut Map) {
        if step == self.0 && self.1.is_none() {
            x.data.iter_mut().for_each(|x| *x *= 2.0);
        }
    }
}

#[test]
fn what_the_tap_leaves_is_what_the_graph_goes_on_with() {
    for head in [Head::Segformer, Head::Classifier] {
        let folded = Folded::new(&Checkpoint::synthetic(&small::network(head), 1).unwrap());
        let logits = folded.forward(frame(32, 32), &mut NoTap);
        // The backbone is the same under both heads.
        let steps = folded.network().steps().filter(|step| head == Head::Segformer || matches!(step, Step::Increase { .. } | Step::Classify));
        for step in steps {
            let ops = folded.network().ops(step);
            for op in &ops {
                let changed = folded.forward(frame(32, 32), &mut Double(step, Some(op.kind)));
                // A fusion narrows its own branch for other outputs only.
                let own = |source| matches!(step, Step::Fusion { branch, .. } if branch == source);
                let unread = op.kind == OpKind::FusionNarrow && ops.iter().all(|other| other.kind != op.kind || own(other.source));
                assert_eq!(changed == logits, op.kind == OpKind::Scores || unread, "{step} {}", op.kind);
            }
        }
        for step in [Step::Attention { module: 3, branch: 2, block: 0 }, Step::MixCfn { module: 3, branch: 2, block: 0 }] {
            assert_ne!(folded.forward(frame(32, 32), &mut Double(step, None)), logits, "residual of {step}");
        }
    }
}

#[test]
fn a_pass_spilled_after_every_step_gives_the_same_logits() {
    let folded = Folded::new(&Checkpoint::synthetic(&small::network(Head::Classifier), 1).unwrap());
    let mut state = State::new(frame(32, 64));
    for step in folded.network().steps() {
        folded.step(step, &mut state, &mut NoTap);
        let mut bytes = Vec::new();
        state.write(&mut bytes).unwrap();
        state = State::read(&mut bytes.as_slice()).unwrap();
    }
    assert_eq!(state.logits.unwrap(), folded.forward(frame(32, 64), &mut NoTap));
}

#[test]
fn pictures_prepared_otherwise_fold_too_and_bgr_is_rgb_the_other_way_round() {
    let prepared = Preprocess { mean: [100.0, 0.0, 30.5], deviation: [1.0, 255.0, 60.0], order: ColourOrder::Bgr, ..Preprocess::IMAGENET };
    let checkpoint = Checkpoint::synthetic(&network("nano", Head::Segformer), 7).unwrap().with_preprocess(prepared);
    let rgb = frame(64, 32);
    let logits = Model::new(checkpoint.clone()).forward(&rgb, &mut |_, _| {});
    let folded = Folded::new(&checkpoint).forward(rgb.clone(), &mut NoTap);
    let largest = logits.data.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    assert!(logits.data.iter().zip(&folded.data).all(|(a, b)| (a - b).abs() <= TOLERANCE * largest));
    // The same network that takes its colours as they come, of a picture whose colours are swapped.
    let plain = Preprocess { mean: ColourOrder::Bgr.swap(prepared.mean), deviation: ColourOrder::Bgr.swap(prepared.deviation), ..Preprocess::IMAGENET };
    let bytes = rgb.to_map().data.chunks(3).flat_map(|pixel| [pixel[2], pixel[1], pixel[0]]).map(|value| value as u8).collect();
    let swapped = Frame::new(Size { height: 64, width: 32 }, bytes).unwrap();
    assert_eq!(Model::new(checkpoint.with_preprocess(plain)).forward(&swapped, &mut |_, _| {}).data, logits.data);
}
