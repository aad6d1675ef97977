//! The report of a segmentor: label maps.

use std::path::Path;

use anyhow::{Context, Result};
use hrvit_reference::Folded;

use super::{Prepared, others, points, table, verdict};
use crate::dataset;
use crate::float::Float;
use crate::host_engine::{HostEngine, PackedImage};
use crate::report::draws::Draws;
use crate::report::macs::Macs;
use crate::report::measure::{self, Against, Contestants};
use crate::report::page::{self, Extras, percent};
use crate::report::task;
use crate::report::{Drift, Report, WorstFrame, pictures, steps};
use crate::segmenter::Segmenter;

/// Measures, judges and writes.
pub fn run(mut prepared: Prepared<'_>) -> Result<()> {
    let (args, int8) = (prepared.args, prepared.int8);
    let all = args.dataset.labelled(&args.data, &prepared.classes)?;
    let set = prepared.set(&all)?;
    dataset::checks::labelled(set.iter().copied(), prepared.classes.len(), &|frame| prepared.inference.check(frame, int8.size()))?;
    let others = others(args, int8, &prepared.checkpoint, &prepared.classes, prepared.kernels)?;

    let frames: Vec<&Path> = set.iter().map(|item| item.frame.as_path()).collect();
    let step_set = prepared.step_set(&frames);
    let inference = prepared.inference;
    let by_step = steps::measure(&step_set, inference, &Folded::new(&prepared.checkpoint), int8)?;
    let float = Float::new(prepared.checkpoint.clone(), int8.size());
    let draws: Vec<HostEngine> = others.iter().flat_map(|others| &others.images).map(PackedImage::load).collect::<Result<_>>()?;
    let contestants: Vec<&dyn Segmenter> = std::iter::once(int8).chain(&draws).map(|one| one as &dyn Segmenter).collect();
    let measured = measure::measure(&set, Contestants { float: &float, others: &contestants, inference, logits_deviation: by_step.logits_deviation })?;

    let (bootstrap, classes) = (prepared.bootstrap(), &prepared.classes);
    let (own, drawn) = measured.others.split_first().context("the model image was measured")?;
    let worst = worst(own, args.worst);
    let drawings = worst.iter().map(|&(at, _)| pictures::draw(set[at], inference, &float, int8, classes)).collect::<Result<_>>()?;
    let extras = Extras { worst: vec![drawings], pictures: std::mem::take(&mut prepared.pictures) };
    let classes = &prepared.classes;
    let mut report = Report {
        subject: prepared.subject(set.len(), step_set.len()),
        quality: vec![
            task::quality(float.name(), &measured.float, classes.len(), bootstrap),
            task::quality(int8.name(), &own.classes, classes.len(), bootstrap),
        ],
        drift: vec![Drift {
            precision: int8.name(),
            delta: task::delta(&measured.float, &own.classes, classes.len(), bootstrap),
            agreement: own.counts.report(by_step.logits_deviation),
            logits_sqnr_db: own.sqnr.db(),
            macs: Macs::of(&int8.model(), int8.size())?,
            steps: by_step.steps,
            draws: others.map(|others| Draws::of(others.origin, &others.names, &measured.float, drawn, classes.len())),
            worst: worst.into_iter().map(|(at, agreement)| WorstFrame { name: set[at].name.clone(), agreement }).collect(),
        }],
        verdicts: Vec::new(),
    };
    report.verdicts = prepared.bars.as_ref().map(|bars| bars.judge(&report)).unwrap_or_default();
    prepared.write(&page::page(&report, classes, &extras)?, &report, summary(&report))?;
    verdict(&report.verdicts, args)
}

/// The frames that agree least and how much, worst first; equal ones in order.
fn worst(image: &Against, count: usize) -> Vec<(usize, f64)> {
    let mut frames: Vec<(usize, f64)> = image.agreement.iter().map(|pixels| pixels.agreement().unwrap_or(1.0)).enumerate().collect();
    frames.sort_by(|a, b| a.1.total_cmp(&b.1));
    frames.truncate(count);
    frames
}

fn summary(report: &Report) -> comfy_table::Table {
    let quality =
        |of: &dyn Fn(&task::Quality) -> Option<task::Estimate>| report.quality.iter().map(|one| percent(of(one).map(|one| one.value))).collect::<Vec<_>>();
    let drift = |of: &dyn Fn(&Drift) -> String| std::iter::once(String::new()).chain(report.drift.iter().map(of)).collect::<Vec<_>>();
    let rows = [
        ("mIoU, %", quality(&|one| one.miou)),
        ("pixel accuracy, %", quality(&|one| one.pixel_accuracy)),
        ("mIoU less float's, points (95 %)", drift(&|one| points(one.delta.miou_points))),
        ("pixels that agree with float, %", drift(&|one| percent(one.agreement.overall))),
        ("at borders of classes, %", drift(&|one| percent(one.agreement.at_borders.agreement))),
        ("where float is clear, %", drift(&|one| percent(one.agreement.at_clear_margin.agreement))),
        ("logits SQNR, dB", drift(&|one| page::decibels(one.logits_sqnr_db))),
        ("MACs in 8x8, %", drift(&|one| format!("{:.1}", 100.0 * one.macs.share()))),
        ("others", drift(&|one| one.macs.rest())),
    ];
    table(report.subject.frames, &report.quality.iter().map(|one| one.precision).collect::<Vec<_>>(), rows)
}
