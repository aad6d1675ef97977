//! The HTML page: one file, readable without network and script. Every text is escaped by the
//! templates.

use hrvit_format::Size;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::agreement::Place;
use super::draws::Spread;
use super::macs::Macs;
use super::pictures::{DIFFERENCES, Pictures};
use super::steps::StepDrift;
use super::task::{Estimate, Quality};
use super::verdict::Verdict;
use super::{Drift, Report, Subject, charts};
use crate::output::grouped;
use crate::palette::Classes;

/// Style of the page.
const STYLE: &str = include_str!("page.css");

/// Parts that a page shows beside the report.
#[derive(Default)]
pub struct Extras {
    /// Per precision, in the order of the report: the worst frames.
    pub worst: Vec<Vec<Pictures>>,
    /// Title and address of further pictures.
    pub pictures: Vec<(&'static str, String)>,
}

/// The whole page.
///
/// # Errors
/// If a chart cannot be drawn.
pub fn page(report: &Report, classes: &Classes, extras: &Extras) -> anyhow::Result<String> {
    let charts: Vec<String> = report.drift.iter().map(|drift| charts::steps(&drift.steps)).collect::<anyhow::Result<_>>()?;
    let title = format!("Drift of {}", report.subject.model);
    let body = html! {
        (subject(&report.subject))
        @for drift in &report.drift { (headline(drift)) }
        (verdicts(&report.verdicts))
        h2 { "Task" }
        (task(report))
        @for (number, drift) in report.drift.iter().enumerate() {
            h2 { "Where " (drift.precision) " and float agree" }
            (agreement(drift))
            (flips(drift, &report.subject.classes))
            @if let Some(worst) = extras.worst.get(number) { (worst_frames(drift, worst, classes)) }
            h2 { "Steps in " (drift.precision) }
            (steps(&drift.steps, &charts[number], report.subject.step_frames))
            (draws(drift))
        }
    };
    Ok(document(&title, &body, &extras.pictures))
}

/// A page of its own with further pictures, title and address, at its end.
pub fn document(title: &str, body: &Markup, pictures: &[(&'static str, String)]) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                (body)
                @for (title, address) in pictures {
                    h2 { (title) }
                    img.wide src=(address) alt=(title);
                }
            }
        }
    };
    page.into_string()
}

/// Two digits, and more where two would show all for nearly all.
pub fn percent(share: Option<f64>) -> String {
    match share {
        None => "-".to_owned(),
        Some(share) if (0.99995..1.0).contains(&share) => format!("{:.4}", 100.0 * share),
        Some(share) => format!("{:.2}", 100.0 * share),
    }
}

/// One digit.
pub fn decibels(db: Option<f64>) -> String {
    db.map_or_else(|| "-".to_owned(), |db| format!("{db:.1}"))
}

/// A value with its interval, times `factor`.
pub fn interval(estimate: Option<Estimate>, factor: f64, signed: bool) -> Markup {
    let show = |value: f64| if signed { format!("{:+.2}", factor * value) } else { format!("{:.2}", factor * value) };
    html! {
        @match estimate {
            Some(one) => { (show(one.value)) " " small { (show(one.low)) " to " (show(one.high)) } }
            None => "-"
        }
    }
}

/// Subject of the measurement.
pub fn subject(subject: &Subject) -> Markup {
    let [height, width] = subject.size;
    html! {
        dl {
            dt { "model image" } dd { (subject.model) ", " (grouped(subject.model_bytes as u64)) " bytes, CRC32 " (subject.model_crc32) }
            dt { "made by" } dd { (subject.provenance) }
            dt { "float network" } dd { (subject.weights) }
            dt { "frames" } dd { (subject.frames) " of " (subject.data) ", " (subject.inference.words(Size { height, width })) }
            dt { "intervals" } dd { "95 %, " (subject.resamples) " bootstrap resamples of the frames, seed " (subject.seed) }
        }
    }
}

fn headline(drift: &Drift) -> Markup {
    html! {
        div.cards {
            (card(drift.delta.miou_points.map_or_else(|| "-".to_owned(), |delta| format!("{:+.3}", delta.value)), "points", &format!("mIoU, {} less float", drift.precision)))
            (card(percent(drift.agreement.overall), "%", "of pixels agree"))
            (card(percent(drift.agreement.at_clear_margin.agreement), "%", "agree where float is clear"))
            (card(decibels(drift.logits_sqnr_db), "dB", "logits SQNR"))
            (card(format!("{:.1}", 100.0 * drift.macs.share()), "%", "of MACs are 8x8"))
        }
        (wider(&drift.macs))
    }
}

/// One figure of the headline.
pub fn card(value: String, unit: &str, what: &str) -> Markup {
    html! { div { b { (value) } " " (unit) br; (what) } }
}

/// Operators that are not 8x8.
pub fn wider(macs: &Macs) -> Markup {
    html! { @if !macs.wider.is_empty() { p.note { "Multiply-accumulates with an operand of more than 8 bits: " (macs.rest()) " of all." } } }
}

/// Bars that are met, and those that are not; nothing where there are none.
pub fn verdicts(verdicts: &[Verdict]) -> Markup {
    if verdicts.is_empty() {
        return html! {};
    }
    let failed: Vec<_> = verdicts.iter().filter(|verdict| !verdict.passed).collect();
    html! {
        h2 { "Bars" }
        p { (verdicts.len() - failed.len()) " of " (verdicts.len()) " are met." }
        @if !failed.is_empty() { ul { @for verdict in &failed { li.bad { (verdict.to_string()) } } } }
    }
}

fn task(report: &Report) -> Markup {
    let row = |title: &str, of: &dyn Fn(&Quality) -> Option<Estimate>, delta: &dyn Fn(&Drift) -> Option<Estimate>| {
        html! {
            tr {
                th { (title) }
                @for quality in &report.quality { td { (interval(of(quality), 100.0, false)) } }
                @for drift in &report.drift { td { (interval(delta(drift), 1.0, true)) } }
            }
        }
    };
    html! {
        table {
            tr {
                th { "percent" }
                @for quality in &report.quality { th { (quality.precision) } }
                @for drift in &report.drift { th { (drift.precision) " less float, points" } }
            }
            (row("mIoU", &|quality| quality.miou, &|drift| drift.delta.miou_points))
            (row("pixel accuracy", &|quality| quality.pixel_accuracy, &|drift| drift.delta.pixel_accuracy_points))
            @for (number, name) in report.subject.classes.iter().enumerate() {
                (row(name, &|quality| quality.classes[number], &|drift| drift.delta.class_points[number]))
            }
        }
        p.note { "Differences are resampled in pairs: the same frames for both. A class without a value occurs neither in the labels nor in what was found." }
    }
}

/// A table row of a group of pixels.
fn place(title: &str, place: Place) -> Markup {
    let disagreement = place.agreement.map_or(0.0, |agreement| 100.0 * (1.0 - agreement));
    html! {
        tr {
            th { (title) }
            td { (percent(place.share)) }
            td { (percent(place.agreement)) }
            td.bar { span style=(format!("width:{:.2}%", disagreement.min(100.0))) {} }
        }
    }
}

fn agreement(drift: &Drift) -> Markup {
    let report = &drift.agreement;
    html! {
        table {
            tr { th { "pixels" } th { "share, %" } th { "agree, %" } th { "disagree" } }
            (place("at borders of classes", report.at_borders))
            (place("away from borders", report.away_from_borders))
            (place(&format!("float's margin at least {} σ", report.clear_margin), report.at_clear_margin))
        }
        table {
            tr { th { "float's margin, σ" } th { "share, %" } th { "agree, %" } th { "disagree" } }
            @for bin in &report.margins {
                (place(&bin.to.map_or_else(|| format!("{} and more", bin.from), |to| format!("{} to {to}", bin.from)), bin.place))
            }
        }
        p.note {
            "A pixel is at a border where one of its four neighbours in the float map is of another class. The margin is the distance of float's two largest logits, in units of the "
            "standard deviation of its logits, here σ = " (format!("{:.3}", report.logits_deviation)) "."
        }
    }
}

fn flips(drift: &Drift, classes: &[String]) -> Markup {
    let total = |row: &[u64]| row.iter().sum::<u64>();
    let share = |row: &[u64], at: usize| 100.0 * row[at] as f64 / total(row).max(1) as f64;
    html! {
        h3 { "Flips: from float's class to that of " (drift.precision) ", percent of float's class" }
        div.scroll { table.matrix {
            tr { th {} @for name in classes { th { (name) } } }
            @for (from, row) in drift.agreement.flips.iter().enumerate() {
                tr {
                    th { (classes.get(from).map_or("", String::as_str)) }
                    @for to in 0..row.len() {
                        @let percent = share(row, to);
                        @if from == to {
                            td.same { (if total(row) > 0 { format!("{percent:.2}") } else { String::new() }) }
                        } @else if row[to] == 0 {
                            td {}
                        } @else {
                            td style=(format!("background:rgba(200,40,40,{:.2})", (0.08 + percent / 3.0).min(0.8))) title=(format!("{} pixels", grouped(row[to]))) {
                                (format!("{percent:.2}"))
                            }
                        }
                    }
                }
            }
        } }
    }
}

fn worst_frames(drift: &Drift, pictures: &[Pictures], classes: &Classes) -> Markup {
    let rgb = |[r, g, b]: [u8; 3]| format!("background:rgb({r},{g},{b})");
    html! {
        h3 { "Frames that agree least" }
        @for (frame, pictures) in drift.worst.iter().zip(pictures) {
            p { b { (frame.name) } ": " (percent(Some(frame.agreement))) " % of pixels agree" }
            div.frames {
                @for (title, address) in &pictures.parts { figure { img src=(address) alt=(title); figcaption { (title) } } }
            }
        }
        p.legend { @for (colour, what) in DIFFERENCES { span { i style=(rgb(colour)) {} (what) } } }
        p.legend { @for class in classes.iter() { span { i style=(rgb(class.colour)) {} (class.name) } } }
    }
}

/// Every step as a picture and in numbers.
pub fn steps(steps: &[StepDrift], chart: &str, frames: usize) -> Markup {
    html! {
        div.chart { (PreEscaped(chart)) }
        p.note {
            "Signal to quantisation noise on " (frames) " frames. Single: what the step left against the same step in float on the very codes that the engine had before it, so the error "
            "of this step alone. Entire: against the float network from the frame on, so all errors up to here. Saturated: values more than half a code outside of the range. Steps that "
            "change the residual stream are measured on the whole stream."
        }
        details {
            summary { "All steps in numbers" }
            table {
                tr { th { "step" } th { "single, dB" } th { "entire, dB" } th { "cosine" } th { "saturated, %" } th { "codes seen" } th { "range used, %" } }
                @for step in steps {
                    tr {
                        th { (step.step) }
                        td { (decibels(step.single_db)) }
                        td { (decibels(step.entire_db)) }
                        td { (step.cosine.map_or_else(|| "-".to_owned(), |cosine| format!("{cosine:.6}"))) }
                        td { (format!("{:.4}", 100.0 * step.saturated)) }
                        td { (step.codes_seen[0]) " to " (step.codes_seen[1]) }
                        td { (format!("{:.0}", 100.0 * step.range_used)) }
                    }
                }
            }
        }
    }
}

fn draws(drift: &Drift) -> Markup {
    let Some(draws) = &drift.draws else { return html! {} };
    let rows =
        draws.draws.iter().map(|draw| (draw.name.as_str(), [draw.delta_miou_points, draw.agreement, draw.agreement_at_clear_margin, draw.logits_sqnr_db]));
    let spreads = [draws.delta_miou_points, draws.agreement, draws.agreement_at_clear_margin, draws.logits_sqnr_db];
    draws_table(&draws.origin, ["mIoU less float's, points", "agreement, %"], rows, spreads)
}

/// Draws in a table: a metric's difference in points, two shares and decibels, per draw and, with
/// deviations, over all. `titles` are the titles of the metric and of the first share.
pub fn draws_table<'d>(
    origin: &str,
    [metric, agreement]: [&str; 2],
    draws: impl Iterator<Item = (&'d str, [Option<f64>; 4])>,
    [delta, overall, clear, sqnr]: [Option<Spread>; 4],
) -> Markup {
    let points = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:+.3}"));
    html! {
        h2 { "Calibration draws" }
        p { (origin) }
        table {
            tr { th { "draw" } th { (metric) } th { (agreement) } th { "at a clear margin, %" } th { "logits SQNR, dB" } }
            @for (name, [delta, overall, clear, sqnr]) in draws {
                tr {
                    th { (name) }
                    td { (points(delta)) }
                    td { (percent(overall)) }
                    td { (percent(clear)) }
                    td { (decibels(sqnr)) }
                }
            }
            tr.total {
                th { "mean (deviation)" }
                td { @if let Some(one) = delta { (points(Some(one.mean))) (format!(" ({:.3})", one.deviation)) } }
                @for spread in [overall, clear] {
                    td { @if let Some(one) = spread { (percent(Some(one.mean))) (format!(" ({:.2})", 100.0 * one.deviation)) } }
                }
                td { @if let Some(one) = sqnr { (decibels(Some(one.mean))) (format!(" ({:.1})", one.deviation)) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearly_all_is_not_shown_as_all() {
        assert_eq!([Some(1.0), Some(0.999_993), Some(0.9995), Some(0.5), None].map(percent), ["100.00", "99.9993", "99.95", "50.00", "-"]);
    }

    #[test]
    fn names_of_classes_cannot_break_the_page() {
        let pixels = vec![vec![3, 1], vec![0, 2]];
        let place = Place { pixels: 6, share: Some(1.0), agreement: Some(5.0 / 6.0) };
        let agreement = super::super::agreement::AgreementReport {
            overall: Some(5.0 / 6.0),
            at_borders: place,
            away_from_borders: place,
            clear_margin: 0.1,
            at_clear_margin: place,
            logits_deviation: 1.0,
            margins: Vec::new(),
            flips: pixels,
        };
        let drift = Drift {
            precision: "int8",
            delta: super::super::task::Delta { miou_points: None, pixel_accuracy_points: None, class_points: Vec::new() },
            agreement,
            logits_sqnr_db: None,
            macs: super::super::macs::Macs::default(),
            steps: Vec::new(),
            draws: None,
            worst: Vec::new(),
        };
        let shown = flips(&drift, &["<script>alert(1)</script>".to_owned(), "a & b".to_owned()]).into_string();
        assert!(!shown.contains("<script") && shown.contains("&lt;script&gt;") && shown.contains("a &amp; b"), "{shown}");
        assert!(shown.contains("75.00") && shown.contains("25.00"), "{shown}");
    }
}
