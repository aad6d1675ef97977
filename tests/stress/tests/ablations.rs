//! Cost of quantising b1 without techniques of the paper, with synthetic weights.

use hrvit_format::{Ablation, Head, Network, Size, Spec};
use hrvit_reference::Checkpoint;
use hrvit_stress::judge::{Judge, Precision, precision_of_environment};
use hrvit_tool::logits::Logits;

const SIZE: Size = Size { height: 64, width: 96 };
/// Least signal to noise of the logits, in dB, on frames that did not calibrate.
const LEAST_DB: f64 = 28.0;

/// Signal to noise in dB: of the logits, and of the same about each pixel's mean. An image does not
/// keep that mean, which no decision sees: it is no noise. Nor are classes noise whose logit became
/// a constant far below.
fn signal_to_noise(float: &[Logits], quantised: &[Logits]) -> [f64; 2] {
    let classes = float[0].classes;
    let pixels = || float.iter().zip(quantised).flat_map(|(a, b)| a.data.chunks_exact(classes).zip(b.data.chunks_exact(classes)));
    let first = quantised[0].data[..classes].to_vec();
    let alive: Vec<usize> = (0..classes).filter(|&class| pixels().any(|(_, found)| found[class] != first[class])).collect();
    let (mut about_zero, mut about_mean, mut noise) = (0.0, 0.0, 0.0);
    for pixel in pixels() {
        let [exact, found] = <[&[f32]; 2]>::from(pixel).map(|logits| alive.iter().map(|&class| f64::from(logits[class])).collect::<Vec<_>>());
        let [exact_mean, found_mean] = [&exact, &found].map(|logits| logits.iter().sum::<f64>() / logits.len() as f64);
        for (exact, found) in exact.into_iter().zip(found) {
            let centred = exact - exact_mean;
            about_zero += exact.powi(2);
            about_mean += centred.powi(2);
            noise += (centred - (found - found_mean)).powi(2);
        }
    }
    [about_zero, about_mean].map(|signal| 10.0 * (signal / noise).log10())
}

/// Signal to noise of one network's logits, in dB.
fn measured(judge: &Judge, ablation: Ablation, seed: u64) -> f64 {
    let spec = Spec { ablation, ..Spec::variant("b1").unwrap() };
    let checkpoint = Checkpoint::synthetic(&Network { spec, head: Head::Segformer, classes: 19 }, seed).unwrap();
    let (float, quantised) = (judge.float(&checkpoint).unwrap(), judge.quantised(&checkpoint).unwrap());
    let ([db, centred], figures) = (signal_to_noise(&float, &quantised), judge.compared(&float, &quantised).unwrap());
    println!(
        "seed {seed}, number {}: {db:.2} dB; about the mean {centred:.2} dB, of what decides {:.2} dB, {:.2} % agree",
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
fn b1_with_keys_of_its_own_and_without_shortcut() {
    let judge = Judge::whole(SIZE, Precision::Int8).unwrap();
    hold(&judge, &[Ablation { own_keys: true, no_des: true, ..Ablation::NONE }], 1);
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
