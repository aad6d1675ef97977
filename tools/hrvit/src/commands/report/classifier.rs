//! The report of a classifier: which classes come first.

use std::path::Path;

use anyhow::{Context, Result};
use hrvit_reference::Folded;

use super::{Prepared, others, points, table, verdict};
use crate::dataset;
use crate::float::Float;
use crate::host_engine::{HostEngine, PackedImage};
use crate::report::classifier::{self, Draws, Drift, Quality, Report, measure, page};
use crate::report::macs::Macs;
use crate::report::page::{decibels, percent};
use crate::report::{pictures, steps};
use crate::segmenter::Segmenter;
use crate::sqnr::Sqnr;

/// Measures, judges and writes.
pub fn run(prepared: Prepared<'_>) -> Result<()> {
    let (args, int8) = (prepared.args, prepared.int8);
    let all = args.dataset.classified(&args.data, &prepared.classes)?;
    let set = prepared.set(&all)?;
    dataset::checks::classified(set.iter().copied())?;
    let others = others(args, int8, &prepared.checkpoint, &prepared.classes, prepared.kernels)?;

    let frames: Vec<&Path> = set.iter().map(|item| item.frame.as_path()).collect();
    let step_set = prepared.step_set(&frames);
    let inference = prepared.inference;
    let steps::Measured { steps, logits_deviation } = steps::measure(&step_set, inference, &Folded::new(&prepared.checkpoint), int8)?;
    let float = Float::new(prepared.checkpoint.clone(), int8.size());
    let draws: Vec<HostEngine> = others.iter().flat_map(|others| &others.images).map(PackedImage::load).collect::<Result<_>>()?;
    let images: Vec<&dyn Segmenter> = std::iter::once(int8).chain(&draws).map(|one| one as &dyn Segmenter).collect();
    let measured = measure::measure(&set, inference, &float, &images)?;
    let (exact, bootstrap) = (&measured.float, prepared.bootstrap());
    let (own, drawn) = measured.others.split_first().context("the model image was measured")?;

    let subject = prepared.subject(set.len(), step_set.len());
    let worst = classifier::worst(&set, exact, own, logits_deviation, &subject.classes, args.worst);
    let path = |name: &str| set.iter().find(|item| item.name == name).map(|item| item.frame.as_path());
    let thumbnails = worst.iter().filter_map(|frame| path(&frame.name)).map(pictures::thumbnail).collect::<Result<Vec<_>>>()?;
    let mut report = Report {
        subject,
        quality: vec![
            classifier::quality(float.name(), &set, |i| &exact[i], bootstrap),
            classifier::quality(int8.name(), &set, |i| &own[i].ranking, bootstrap),
        ],
        drift: vec![Drift {
            precision: int8.name(),
            delta: classifier::delta(&set, exact, own, bootstrap),
            agreement: classifier::agreement(exact, own, logits_deviation),
            logits_sqnr_db: measured.sqnr.first().and_then(Sqnr::db),
            macs: Macs::of(&int8.model(), int8.size())?,
            steps,
            draws: others.map(|others| Draws::of(others.origin, &others.names, &set, exact, (drawn, &measured.sqnr[1..]), logits_deviation)),
            worst,
        }],
        verdicts: Vec::new(),
    };
    report.verdicts = prepared.bars.as_ref().map(|bars| bars.judge_classifier(&report)).unwrap_or_default();
    prepared.write(&page::page(&report, &[thumbnails], &prepared.pictures)?, &report, summary(&report))?;
    verdict(&report.verdicts, args)
}

fn summary(report: &Report) -> comfy_table::Table {
    let quality = |of: &dyn Fn(&Quality) -> Option<f64>| report.quality.iter().map(|one| percent(of(one))).collect::<Vec<_>>();
    let drift = |of: &dyn Fn(&Drift) -> String| std::iter::once(String::new()).chain(report.drift.iter().map(of)).collect::<Vec<_>>();
    let rows = [
        ("top-1, %", quality(&|one| Some(one.top1?.value))),
        ("top-5, %", quality(&|one| Some(one.top5?.value))),
        ("top-1 less float's, points (95 %)", drift(&|one| points(one.delta.top1_points))),
        ("frames with float's first class, %", drift(&|one| percent(one.agreement.top1))),
        ("float's first class in the first five, %", drift(&|one| percent(one.agreement.top5))),
        ("where float is clear, %", drift(&|one| percent(one.agreement.at_clear_margin.top1))),
        ("logits SQNR, dB", drift(&|one| decibels(one.logits_sqnr_db))),
        ("MACs in 8x8, %", drift(&|one| format!("{:.1}", 100.0 * one.macs.share()))),
        ("others", drift(&|one| one.macs.rest())),
    ];
    table(report.subject.frames, &report.quality.iter().map(|one| one.precision).collect::<Vec<_>>(), rows)
}
