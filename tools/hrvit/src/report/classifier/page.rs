//! The HTML page of a classifier's report.

use maud::{Markup, html};

use super::super::charts;
use super::super::page::{card, decibels, document, draws_table, interval, percent, steps, subject, verdicts, wider};
use super::super::task::Estimate;
use super::{Drift, Group, Quality, Report};

/// The whole page; `thumbnails` are addresses of the worst frames per precision, `pictures` title
/// and address of further pictures.
///
/// # Errors
/// If a chart cannot be drawn.
pub fn page(report: &Report, thumbnails: &[Vec<String>], pictures: &[(&'static str, String)]) -> anyhow::Result<String> {
    let charts: Vec<String> = report.drift.iter().map(|drift| charts::steps(&drift.steps)).collect::<anyhow::Result<_>>()?;
    let body = html! {
        (subject(&report.subject))
        @for drift in &report.drift { (headline(drift)) }
        (verdicts(&report.verdicts))
        h2 { "Task" }
        (task(report))
        @for (number, drift) in report.drift.iter().enumerate() {
            h2 { "Where " (drift.precision) " and float agree" }
            (agreement(drift, &report.subject.classes))
            @if let Some(thumbnails) = thumbnails.get(number) { (worst_frames(drift, thumbnails)) }
            h2 { "Steps in " (drift.precision) }
            (steps(&drift.steps, &charts[number], report.subject.step_frames))
            (draws(drift))
        }
    };
    Ok(document(&format!("Drift of {}", report.subject.model), &body, pictures))
}

fn headline(drift: &Drift) -> Markup {
    html! {
        div.cards {
            @if let Some(delta) = drift.delta.top1_points { (card(format!("{:+.3}", delta.value), "points", &format!("top-1, {} less float", drift.precision))) }
            (card(percent(drift.agreement.top1), "%", "of frames have float's first class"))
            (card(percent(drift.agreement.at_clear_margin.top1), "%", "where float is clear"))
            (card(decibels(drift.logits_sqnr_db), "dB", "logits SQNR"))
            (card(format!("{:.1}", 100.0 * drift.macs.share()), "%", "of MACs are 8x8"))
        }
        (wider(&drift.macs))
    }
}

fn task(report: &Report) -> Markup {
    if report.quality.iter().all(|quality| quality.top1.is_none()) {
        return html! { p { "The frames have no labels (labels.csv): only agreement with float is known." } };
    }
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
            (row("top-1", &|quality| quality.top1, &|drift| drift.delta.top1_points))
            (row("top-5", &|quality| quality.top5, &|drift| drift.delta.top5_points))
        }
        p.note { "Differences are resampled in pairs: the same frames for both." }
    }
}

fn agreement(drift: &Drift, classes: &[String]) -> Markup {
    let report = &drift.agreement;
    let row = |title: String, group: &Group| html! { tr { th { (title) } td { (group.frames) } td { (percent(group.top1)) } } };
    let name = |class: usize| classes.get(class).map_or("", String::as_str);
    html! {
        p { "Float's first class is among the first five in " (percent(report.top5)) " % of frames." }
        table {
            tr { th { "float's margin, σ" } th { "frames" } th { "same first class, %" } }
            (row(format!("at least {}", report.at_clear_margin.from), &report.at_clear_margin))
            @for (number, group) in report.margins.iter().enumerate() {
                (row(report.margins.get(number + 1).map_or_else(|| format!("{} and more", group.from), |next| format!("{} to {}", group.from, next.from)), group))
            }
        }
        p.note {
            "The margin is the distance of float's two largest logits, in units of the standard deviation of its logits, here σ = "
            (format!("{:.3}", report.logits_deviation)) "."
        }
        @if !report.flips.is_empty() {
            h3 { "First classes that change, most frequent first" }
            table {
                tr { th { "float" } th { (drift.precision) } th { "frames" } }
                @for flip in &report.flips { tr { th { (name(flip.from)) } td { (name(flip.to)) } td { (flip.frames) } } }
            }
        }
    }
}

fn worst_frames(drift: &Drift, thumbnails: &[String]) -> Markup {
    html! {
        h3 { "Worst frames" }
        div.frames {
            @for (frame, address) in drift.worst.iter().zip(thumbnails) {
                figure {
                    img src=(address) alt=(frame.name);
                    figcaption {
                        b { (frame.name) } br;
                        "float: " (frame.float) br;
                        (drift.precision) ": " (frame.other) br;
                        (decibels(frame.logits_sqnr_db)) " dB, margin " (format!("{:.2}", frame.margin)) " σ"
                    }
                }
            }
        }
    }
}

fn draws(drift: &Drift) -> Markup {
    let Some(draws) = &drift.draws else { return html! {} };
    let rows =
        draws.draws.iter().map(|draw| (draw.name.as_str(), [draw.delta_top1_points, draw.agreement, draw.agreement_at_clear_margin, draw.logits_sqnr_db]));
    let spreads = [draws.delta_top1_points, draws.agreement, draws.agreement_at_clear_margin, draws.logits_sqnr_db];
    draws_table(&draws.origin, ["top-1 less float's, points", "same first class, %"], rows, spreads)
}
