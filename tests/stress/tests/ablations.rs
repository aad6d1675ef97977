//! Cost of quantising b1 without techniques of the paper, with synthetic weights.

use hrvit_format::{Ablation, Head, Network, Size, Spec};
use hrvit_reference::Checkpoint;
use hrvit_stress::judge::{Judge, Precision, precision_of_environment};
use hrvit_tool::logits::Logits;

const SIZE: Size = Size { height: 64, width: 96 };
/// Frames that calibrate, the first of those that are measured.
const CALIBRATION: usize = 16;
/// Least signal to noise of the logits of those frames, in dB.
const LEAST_DB: f64 = 28.0;

/// Signal to noise of logits in dB, about each pixel's mean. An image does not keep that mean,
/// which no decision sees. Classes whose logit became a constant far below do not count.
fn signal_to_noise(float: &[Logits], quantised: &[Logits]) -> f64 {
    let classes = float[0].classes;
    let pixels = || float.iter().zip(quantised).flat_map(|(a, b)| a.data.chunks_exact(classes).zip(b.data.chunks_exact(classes)));
    let first = quantised[0].data[..classes].to_vec();
    let alive: Vec<usize> = (0..classes).filter(|&class| pixels().any(|(_, found)| found[class] != first[class])).collect();
    let about_mean = |logits: &[f32]| -> Vec<f64> {
        let mean = alive.iter().map(|&class| f64::from(logits[class])).sum::<f64>() / alive.len() as f64;
        alive.iter().map(|&class| f64::from(logits[class]) - mean).collect()
    };
    let (mut signal, mut noise) = (0.0, 0.0);
    for (exact, found) in pixels() {
        for (exact, found) in about_mean(exact).into_iter().zip(about_mean(found)) {
            signal += exact.powi(2);
            noise += (exact - found).powi(2);
        }
    }
    10.0 * (signal / noise).log10()
}

/// Signal to noise of one network's logits on the frames that calibrated, in dB.
fn measured(judge: &Judge, ablation: Ablation, seed: u64) -> f64 {
    let spec = Spec { ablation, ..Spec::variant("b1").unwrap() };
    let checkpoint = Checkpoint::synthetic(&Network { spec, head: Head::Segformer, classes: 19 }, seed).unwrap();
    let (float, quantised) = (judge.float(&checkpoint).unwrap(), judge.quantised(&checkpoint).unwrap());
    let [(float, float_else), (quantised, quantised_else)] = [&float, &quantised].map(|logits| logits.split_at(CALIBRATION));
    let (db, elsewhere) = (signal_to_noise(float, quantised), signal_to_noise(float_else, quantised_else));
    let figures = judge.compared(float_else, quantised_else).unwrap();
    println!(
        "seed {seed}, number {}: {db:.2} dB; on other frames {elsewhere:.2} dB, of what decides there {:.2} dB, {:.2} % agree",
        ablation.bits(),
        figures.db,
        figures.agreement
    );
    db
}

/// Fails if one of them is below the bar of 8 bits.
fn hold(judge: &Judge, ablations: &[Ablation], seed: u64) {
    let below: Vec<_> = ablations.iter().map(|&ablation| (ablation, measured(judge, ablation, seed))).filter(|(_, db)| *db < LEAST_DB).collect();
    assert!(below.is_empty(), "seed {seed}: below {LEAST_DB} dB: {below:?}");
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimisation")]
fn b1_with_keys_of_its_own_and_without_all_techniques() {
    let judge = Judge::whole(SIZE, Precision::Int8).unwrap();
    let [.., own_keys, _, all] = Ablation::EACH_AND_ALL;
    hold(&judge, &[own_keys, all], 1);
}

/// `cargo test --release -p hrvit-stress --test ablations -- --ignored --nocapture`;
/// `HRVIT_STRESS_SEEDS` sets of weights (1), `HRVIT_STRESS_SIZE` (64x96), `HRVIT_STRESS_PRECISION`,
/// `HRVIT_STRESS_ABLATIONS` only those of these numbers (`0,32`).
#[test]
#[ignore = "takes minutes"]
fn b1_without_each_technique_and_without_all() {
    let size = std::env::var("HRVIT_STRESS_SIZE").map_or(SIZE, |text| text.parse().unwrap());
    let judge = Judge::whole(size, precision_of_environment().unwrap()).unwrap();
    let seeds = std::env::var("HRVIT_STRESS_SEEDS").map_or(1, |text| text.parse().unwrap());
    let only = std::env::var("HRVIT_STRESS_ABLATIONS").ok();
    let wanted = |ablation: &Ablation| only.as_ref().is_none_or(|only| only.split(',').any(|bits| bits == ablation.bits().to_string()));
    let ablations: Vec<Ablation> = std::iter::once(Ablation::NONE).chain(Ablation::EACH_AND_ALL).filter(wanted).collect();
    (1..=seeds).for_each(|seed| hold(&judge, &ablations, seed));
}
