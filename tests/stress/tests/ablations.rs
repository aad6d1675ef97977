//! Cost of quantising b1 without techniques of the paper, with synthetic weights.

use hrvit_format::{Ablation, Head, Network, Size, Spec};
use hrvit_reference::Checkpoint;
use hrvit_stress::judge::{Figures, Judge, Precision, precision_of_environment};

const SIZE: Size = Size { height: 64, width: 96 };
/// Least signal to noise of the logits, in dB, on frames that did not calibrate.
const LEAST_DB: f64 = 28.0;

fn figures(judge: &Judge, ablation: Ablation, seed: u64) -> Figures {
    let spec = Spec { ablation, ..Spec::variant("b1").unwrap() };
    let checkpoint = Checkpoint::synthetic(&Network { spec, head: Head::Segformer, classes: 19 }, seed).unwrap();
    let float = judge.float(&checkpoint).unwrap();
    let figures = judge.figures(&checkpoint, &float).unwrap();
    println!("seed {seed}, {ablation:?}: {:.2} dB, {:.2} % of {}", figures.db, figures.agreement, figures.decisions);
    figures
}

/// Fails if one of them is below the bar of 8 bits.
fn hold(judge: &Judge, ablations: &[Ablation], seed: u64) {
    let below: Vec<_> = ablations.iter().map(|&ablation| (ablation, figures(judge, ablation, seed).db)).filter(|(_, db)| *db < LEAST_DB).collect();
    assert!(below.is_empty(), "seed {seed}: below {LEAST_DB} dB: {below:?}");
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimisation")]
fn b1_with_keys_of_its_own_and_without_shortcut() {
    let judge = Judge::whole(SIZE, Precision::Int8).unwrap();
    hold(&judge, &[Ablation { own_keys: true, no_des: true, ..Ablation::NONE }], 1);
}

/// `cargo test --release -p hrvit-stress --test ablations -- --ignored --nocapture`;
/// `HRVIT_STRESS_SEEDS` sets of weights (1), `HRVIT_STRESS_SIZE` (64x96), `HRVIT_STRESS_PRECISION`.
#[test]
#[ignore = "takes minutes"]
fn b1_without_each_technique_and_without_all() {
    let size = std::env::var("HRVIT_STRESS_SIZE").map_or(SIZE, |text| text.parse().unwrap());
    let judge = Judge::whole(size, precision_of_environment().unwrap()).unwrap();
    let seeds = std::env::var("HRVIT_STRESS_SEEDS").map_or(1, |text| text.parse().unwrap());
    let ablations = [&[Ablation::NONE][..], &Ablation::EACH_AND_ALL].concat();
    (1..=seeds).for_each(|seed| hold(&judge, &ablations, seed));
}
