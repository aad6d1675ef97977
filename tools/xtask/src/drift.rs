//! Half precision on every emulated processor. Measures the distance of the result from the
//! definition's. All steps before the first in half precision must leave the same bytes.

use std::path::Path;

use anyhow::{Context, Result};
use hrvit_log::{Log, Pass, SelfTest};

use crate::count::processors::{PROCESSORS, Processor};
use crate::firmware::build::{self, Plan, Precision};
use crate::hrvit::Hrvit;
use crate::machines::Machine;
use crate::overlap::overlapped;
use crate::qemu;
use crate::tables::{grouped, table};

/// How much is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Frames of 64x64, one processor for each set of half-precision kernels.
    Short,
    /// Frames of 192x256, every processor.
    Full,
}

/// The processor whose kernels in half precision are the definition: its result must be equal, not
/// near.
const DEFINITION: &str = "m7";
/// Their kernels in half precision are those of a53.
const ALIKE: [&str; 3] = ["a72", "a55", "a76"];

/// Labels of a thousand that may differ with this trained network. The program's own bound is for
/// any network.
const LABELS_BOUND: u64 = 1;

/// How the self-test of one image ended on one processor.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    processor: &'static str,
    precision: Precision,
    /// Steps that were compared byte by byte.
    exact: Option<u64>,
    steps: u64,
    /// Millionths of the largest logit.
    logits_ppm: Option<u64>,
    differ: u64,
    labels: u64,
    stack: u64,
    /// Why it failed.
    error: Option<String>,
}

/// Runs the self-tests of the nano network, wholly and partly in half precision, and prints one
/// table. Returns what is wrong.
///
/// # Errors
/// If something does not build, or a log cannot be decoded.
pub fn run(root: &Path, hrvit: &Hrvit, extent: Extent) -> Result<Vec<String>> {
    let size = (extent == Extent::Short).then(|| "64x64".to_owned());
    let wanted = PROCESSORS.iter().filter(|processor| extent == Extent::Full || !ALIKE.contains(&processor.name));
    let images = wanted.flat_map(|processor| [Precision::Fp16, Precision::Mixed].map(|precision| (processor, precision)));
    let built = |(processor, precision): (&Processor, Precision)| {
        let machine = processor.machine()?;
        // One program, with room for everything in half precision.
        let program = Plan { size: size.clone(), precision: Precision::Fp16, ..Plan::default() };
        let programs = build::build(root, machine.package, machine.target, &program, Some("selftest"))?;
        let elf = programs.into_iter().next().with_context(|| format!("{} has no program selftest", machine.package))?.elf;
        let model = hrvit.model(&Plan { precision, ..program }, machine.layout)?;
        Ok((machine, precision, elf, model))
    };
    let rows = overlapped(images, built, |(machine, precision, elf, model)| {
        let ended = qemu::emulate(root, &machine, &elf, &[(machine.image_at, &model)], false)?;
        Ok(row(&machine, precision, ended.code, &qemu::said(hrvit, &elf, &ended)?))
    })?;
    show(&rows);
    Ok(rows.iter().filter_map(complaint).collect())
}

fn row(machine: &Machine, precision: Precision, code: u8, log: &Log) -> Row {
    let said = log.error.as_ref().map(|error| error.text.clone());
    let exact = match log.selftest {
        Some(SelfTest::Pass(Pass { steps })) => Some(steps as u64),
        _ => None,
    };
    Row {
        processor: machine.name,
        precision,
        exact,
        steps: log.run.as_ref().map_or(0, |run| run.steps as u64),
        logits_ppm: log.drift.and_then(|drift| drift.logits_ppm.0).map(u64::from),
        differ: log.drift.map_or(0, |drift| drift.differ as u64),
        labels: log.drift.map_or(0, |drift| drift.labels as u64),
        stack: log.total.map_or(0, |total| total.stack as u64),
        error: said.or_else(|| (code != 0).then(|| format!("exit code {code}"))),
    }
}

fn show(rows: &[Row]) {
    let mut table = table(&["half precision on", "image", "steps equal by bytes", "logits, of the largest", "labels that differ", "stack"]);
    for Row { processor, precision, exact, steps, logits_ppm, differ, labels, stack, .. } in rows {
        let logits = logits_ppm.map_or_else(|| "?".to_owned(), |ppm| format!("{:.1e}", ppm as f64 / 1e6));
        let exact = exact.map_or_else(|| "?".to_owned(), |exact| exact.to_string());
        table.add_row([
            (*processor).to_owned(),
            precision.name().to_owned(),
            format!("{exact} of {steps}"),
            logits,
            format!("{differ} of {}", grouped(*labels)),
            grouped(*stack),
        ]);
    }
    println!("{table}");
}

/// Faults of a row. The program itself has compared with the bounds.
fn complaint(row: &Row) -> Option<String> {
    let Row { processor, precision, exact, logits_ppm, differ, labels, .. } = row;
    let wrong = match (&row.error, exact, logits_ppm) {
        (Some(error), ..) => error.clone(),
        (None, None, _) => "the self-test says neither PASS nor FAIL".to_owned(),
        (None, Some(0), _) if *precision == Precision::Mixed => "no step in 8 bits was compared".to_owned(),
        (None, _, None) => "logits were not compared".to_owned(),
        (None, ..) if *labels == 0 => "labels were not compared".to_owned(),
        (None, _, Some(ppm)) if *processor == DEFINITION && (*ppm, *differ) != (0, 0) => {
            format!("its kernels are the definition, and its logits differ by {ppm} millionths of the largest, {differ} labels with them")
        }
        (None, ..) if 1000 * differ > LABELS_BOUND * labels => format!("{differ} of {labels} labels differ, more than {LABELS_BOUND} of 1000"),
        (None, ..) => return None,
    };
    Some(format!("{processor}, {}: {wrong}", precision.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(processor: &'static str) -> Row {
        Row { processor, precision: Precision::Mixed, exact: Some(27), steps: 102, logits_ppm: Some(900), differ: 1, labels: 4096, stack: 4000, error: None }
    }

    #[test]
    fn near_is_enough_but_for_the_definition_itself() {
        assert_eq!(complaint(&passed("m55")), None);
        assert!(complaint(&passed(DEFINITION)).unwrap().contains("900 millionths"));
        assert_eq!(complaint(&Row { logits_ppm: Some(0), differ: 0, ..passed(DEFINITION) }), None);
    }

    #[test]
    fn what_was_not_compared_is_a_complaint() {
        for (row, word) in [
            (Row { exact: None, ..passed("m55") }, "neither"),
            (Row { exact: Some(0), ..passed("m55") }, "8 bits"),
            (Row { logits_ppm: None, ..passed("m55") }, "logits"),
            (Row { labels: 0, ..passed("m55") }, "labels"),
            (Row { differ: 5, ..passed("m55") }, "5 of 4096 labels"),
            (Row { error: Some("too far".to_owned()), ..passed("m55") }, "too far"),
        ] {
            let text = complaint(&row).unwrap();
            assert!(text.starts_with("m55, mixed: ") && text.contains(word), "{text}");
        }
        assert_eq!(complaint(&Row { exact: Some(0), precision: Precision::Fp16, ..passed("m55") }), None);
    }
}
