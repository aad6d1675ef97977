//! Cost of quantising edited networks, against bars.

use anyhow::Result;
use hrvit_format::{Head, Size};
use hrvit_reference::Checkpoint;
use hrvit_stress::audit::Audit;
use hrvit_stress::bars::Bars;
use hrvit_stress::edits::{Case, Kind, draw};
use hrvit_stress::judge::{self, Figures, Judge, Precision, precision_of_environment};
use hrvit_stress::table::{Outcome, summary};
use hrvit_tool::logits::Logits;

const SIZE: Size = Size { height: 64, width: 96 };

/// A network with its own figures.
struct Bench {
    judge: Judge,
    checkpoint: Checkpoint,
    float: Vec<Logits>,
    unpicked: Vec<usize>,
    unedited: Figures,
}

impl Bench {
    fn new(checkpoint: Checkpoint, precision: Precision) -> Result<Self> {
        Self::of(Judge::of_environment(SIZE, precision)?, checkpoint)
    }

    /// Of synthetic weights whose frames are not all alike.
    fn balanced(checkpoint: &Checkpoint, precision: Precision) -> Result<Self> {
        let judge = Judge::of_environment(SIZE, precision)?;
        let checkpoint = judge.balanced(checkpoint)?;
        Self::of(judge, checkpoint)
    }

    fn of(judge: Judge, checkpoint: Checkpoint) -> Result<Self> {
        let float = judge.float(&checkpoint)?;
        let unpicked = judge.unpicked(&checkpoint, &float)?;
        let unedited = judge.figures(&checkpoint, &float)?;
        println!("unedited: {:.2} dB, {:.2} % of {}; classes never picked: {unpicked:?}", unedited.db, unedited.agreement, unedited.decisions);
        Ok(Self { judge, checkpoint, float, unpicked, unedited })
    }

    fn outcome(&self, case: &Case) -> Result<Outcome> {
        let outcome = if case.rebased {
            let base = case.base_checkpoint()?;
            let float = self.judge.float(&base)?;
            Outcome::new(case, self.judge.figures(&base, &float)?, self.judge.judge(case, &float))
        } else {
            Outcome::new(case, self.unedited, self.judge.judge(case, &self.float))
        };
        println!("{outcome}");
        Ok(outcome)
    }

    /// Judges one edit of every kind and seed; kinds without a site are left out.
    fn edits(&self, edits: impl IntoIterator<Item = (Kind, u64)>) -> Result<Vec<Outcome>> {
        let only = std::env::var("HRVIT_STRESS_KINDS").ok();
        let wanted = |kind: Kind| only.as_ref().is_none_or(|only| only.split(',').any(|name| name == format!("{kind:?}")));
        let cases = edits.into_iter().filter(|(kind, _)| wanted(*kind)).filter_map(|(kind, seed)| Case::edited(&self.checkpoint, kind, seed, &self.unpicked));
        cases.map(|case| self.outcome(&case)).collect()
    }
}

/// Prints what there is and fails where bars are missed.
fn hold(outcomes: &[Outcome]) -> Result<()> {
    println!("{}", summary(outcomes));
    let missed = Bars::bundled()?.missed(outcomes);
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    Ok(())
}

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}: expected a number")))
}

/// `count` edits that keep the function, their kinds in turn.
fn exact(count: u64) -> impl Iterator<Item = (Kind, u64)> {
    (0..count).map(|seed| (Kind::EXACT[seed as usize % Kind::EXACT.len()], seed))
}

/// The edits of every test run.
const PART: [(Kind, u64); 13] = [
    (Kind::Relu, 0),
    (Kind::Linear, 1),
    (Kind::Norm, 2),
    (Kind::Whole, 4),
    (Kind::Statistics, 5),
    (Kind::Unread, 8),
    (Kind::Loud, 1),
    (Kind::Offset, 1),
    (Kind::Masked, 2),
    (Kind::Stream100, 1),
    (Kind::DeadHardswish, 1),
    (Kind::DeadBranch, 1),
    (Kind::DeadGelu, 1),
];

#[test]
fn the_bundled_network_with_some_edits() {
    let bench = Bench::new(judge::trained("nano").unwrap(), Precision::Int8).unwrap();
    let part = if cfg!(debug_assertions) { &PART[..1] } else { &PART[..] };
    let outcomes = bench.edits(part.iter().copied()).unwrap();
    assert_eq!(outcomes.len(), part.len(), "every edit has a site");
    hold(&outcomes).unwrap();
}

fn sweep(bench: &Bench) {
    let seeds = number("HRVIT_STRESS_SEEDS", 60);
    let others = Kind::DECISION.into_iter().chain(Kind::STRESS).flat_map(|kind| (0..seeds / 20).map(move |seed| (kind, seed)));
    hold(&bench.edits(exact(seeds).chain(others)).unwrap()).unwrap();
}

/// `cargo test --release -p hrvit-stress --test stress -- --ignored --nocapture sweep_of_the_bundled_network`;
/// `HRVIT_STRESS_SEEDS` exact edits (60), `HRVIT_STRESS_PRECISION` int8, int16x8 or auto;
/// `HRVIT_STRESS_KINDS` only these kinds of edits (`Unread,Stream`); `HRVIT_STRESS_SIZE` (64x96),
/// `HRVIT_STRESS_CALIB` and `HRVIT_STRESS_VAL` folders of other frames than the bundled ones;
/// `HRVIT_STRESS_WITHOUT` techniques to leave out (`smoothing,weight-clip`).
#[test]
#[ignore = "takes minutes"]
fn sweep_of_the_bundled_network() {
    sweep(&Bench::new(judge::trained("nano").unwrap(), precision_of_environment().unwrap()).unwrap());
}

/// `cargo test --release -p hrvit-stress --test stress -- --ignored --nocapture sweep_of_a_classifier`,
/// with the same environment.
#[test]
#[ignore = "takes minutes"]
fn sweep_of_a_classifier() {
    sweep(&Bench::balanced(&judge::synthetic("nano", Head::Classifier, 10).unwrap(), precision_of_environment().unwrap()).unwrap());
}

/// `cargo test --release -p hrvit-stress --test stress -- --ignored --nocapture sweep_of_the_bundled_b1`,
/// with the same environment.
#[test]
#[ignore = "takes many minutes"]
fn sweep_of_the_bundled_b1() {
    sweep(&Bench::new(judge::trained("b1").unwrap(), precision_of_environment().unwrap()).unwrap());
}

/// `cargo test --release -p hrvit-stress --test stress -- --ignored --nocapture sweep_of_a_synthetic_b1`,
/// with the same environment.
#[test]
#[ignore = "takes many minutes"]
fn sweep_of_a_synthetic_b1() {
    sweep(&Bench::balanced(&judge::synthetic("b1", Head::Segformer, 19).unwrap(), precision_of_environment().unwrap()).unwrap());
}

/// `cargo test --release -p hrvit-stress --test stress -- --ignored --nocapture random_edits`:
/// `HRVIT_STRESS_SEEDS` networks (2000) from `HRVIT_STRESS_FIRST` on with one edit of any kind
/// each, quantised from 8 frames. None may be refused, and none may pass the gate that other frames
/// refuse by more than 2 points.
#[test]
#[ignore = "takes an hour"]
fn random_edits_are_not_refused_and_do_not_pass_the_gate_in_vain() {
    let bench = Bench::new(judge::trained("nano").unwrap(), precision_of_environment().unwrap()).unwrap();
    let kinds: Vec<Kind> = Kind::EXACT.into_iter().chain(Kind::DECISION).chain(Kind::STRESS).collect();
    let (first, count) = (number("HRVIT_STRESS_FIRST", 0), number("HRVIT_STRESS_SEEDS", 2000));
    let (mut made, mut gated, mut wrong) = (0, 0, Vec::new());
    for seed in first..first + count {
        let (kind, seed) = draw(&kinds, 1, seed)[0];
        let Some(case) = Case::edited(&bench.checkpoint, kind, seed, &bench.unpicked) else { continue };
        made += 1;
        match bench.judge.audit(&case.checkpoint().unwrap()).unwrap() {
            Audit::Refused(why) => told(&mut wrong, format!("refused: {}: {why}", case.name())),
            Audit::Gated(why) => {
                gated += 1;
                println!("gated: {}: {why}", case.name());
            }
            Audit::Written { complaints, .. } if !complaints.is_empty() => told(&mut wrong, format!("written: {}: {}", case.name(), complaints.join("; "))),
            Audit::Written { not_judged, .. } => not_judged.iter().for_each(|one| println!("not judged: {}: {one}", case.name())),
        }
        if made % 100 == 0 {
            println!("{made} networks, {gated} gated, {} wrong", wrong.len());
        }
    }
    println!("{made} networks, {gated} gated, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Prints what is wrong as it is found, and keeps it.
fn told(wrong: &mut Vec<String>, what: String) {
    println!("{what}");
    wrong.push(what);
}

/// Networks with several exact edits each. If they miss bars, each edit alone is judged too.
fn combine(bench: &Bench) {
    let count = number("HRVIT_STRESS_EDITS", 3) as usize;
    let bars = Bars::bundled().unwrap();
    let mut outcomes = Vec::new();
    for seed in 0..number("HRVIT_STRESS_SEEDS", 20) {
        let edits = draw(&Kind::EXACT, count, seed);
        let outcome = bench.outcome(&Case::of(&bench.checkpoint, &edits, &bench.unpicked)).unwrap();
        if !bars.missed(std::slice::from_ref(&outcome)).is_empty() {
            println!("each of these edits alone:");
            bench.edits(edits).unwrap();
        }
        outcomes.push(outcome);
    }
    hold(&outcomes).unwrap();
}

/// `HRVIT_STRESS_EDITS=5 cargo test --release -p hrvit-stress --test stress -- --ignored --nocapture combinations_on_the_bundled_network`:
/// `HRVIT_STRESS_SEEDS` networks (20) with `HRVIT_STRESS_EDITS` exact edits each (3).
#[test]
#[ignore = "takes minutes"]
fn combinations_on_the_bundled_network() {
    combine(&Bench::new(judge::trained("nano").unwrap(), precision_of_environment().unwrap()).unwrap());
}

/// `cargo test --release -p hrvit-stress --test stress -- --ignored --nocapture combinations_on_a_classifier`,
/// with the same environment.
#[test]
#[ignore = "takes minutes"]
fn combinations_on_a_classifier() {
    combine(&Bench::balanced(&judge::synthetic("nano", Head::Classifier, 10).unwrap(), precision_of_environment().unwrap()).unwrap());
}

/// `cargo test --release -p hrvit-stress --test stress -- --ignored --nocapture combinations_on_b1`,
/// with the same environment.
#[test]
#[ignore = "takes many minutes"]
fn combinations_on_b1() {
    combine(&Bench::balanced(&judge::synthetic("b1", Head::Segformer, 19).unwrap(), precision_of_environment().unwrap()).unwrap());
}
