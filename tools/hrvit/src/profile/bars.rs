//! A profile drawn: one bar per step, coloured by the kind of block.

use anyhow::{Context, Result, anyhow};
use hrvit_log::{Log, Run};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::summary::{Summary, headline};
use crate::plots::{LEGEND_FONT, LEGEND_GROUND, legend_box};

/// Width and height of the picture in pixels.
const PICTURE: (u32, u32) = (1400, 640);

/// Colours of the kinds of block, the most expensive first.
const COLOURS: [RGBColor; 10] = [
    RGBColor(38, 90, 165),
    RGBColor(225, 110, 50),
    RGBColor(30, 135, 130),
    RGBColor(120, 95, 170),
    RGBColor(230, 180, 40),
    RGBColor(160, 70, 110),
    RGBColor(90, 90, 90),
    RGBColor(110, 160, 60),
    RGBColor(80, 160, 210),
    RGBColor(180, 60, 60),
];

/// The picture as SVG: steps to the right, units a frame upwards.
///
/// # Errors
/// If the log is no profile or the picture cannot be drawn.
pub fn draw(log: &Log, clock_hz: Option<f64>) -> Result<String> {
    let run = log.run.as_ref().context("the log has no `hrvit run` line")?;
    let summary = Summary::of(log, clock_hz)?;
    let mut svg = String::new();
    paint(log, run, &summary, &mut svg).map_err(|error| anyhow!("drawing the profile: {error}"))?;
    Ok(svg)
}

fn paint(log: &Log, run: &Run<String>, summary: &Summary, svg: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, PICTURE).into_drawing_area();
    root.fill(&WHITE)?;
    let highest = summary.steps.iter().map(|cost| cost.ticks).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(&root)
        .caption(headline(run), ("sans-serif", 17))
        .margin(12)
        .x_label_area_size(150)
        .y_label_area_size(90)
        // The legend lies to the right of the last bar.
        .build_cartesian_2d(0..summary.steps.len() + summary.steps.len().div_ceil(8), 0.0..1.04 * highest)?;
    let label = |at: &usize| summary.steps.get(*at).map_or_else(String::new, |cost| cost.name.clone());
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(2 * summary.steps.len())
        .x_label_formatter(&label)
        .x_label_style(("sans-serif", 9).into_font().transform(FontTransform::Rotate90).with_anchor::<RGBColor>(Pos::new(HPos::Left, VPos::Center)))
        .y_desc(format!("million {} a frame", run.unit))
        .y_label_formatter(&|ticks| format!("{:.2}", ticks / 1e6))
        .draw()?;
    for (kind, &colour) in summary.kinds.iter().zip(COLOURS.iter().cycle()) {
        let bars = log.steps.iter().zip(&summary.steps).filter(|(line, _)| line.kind == kind.name);
        let bars = bars.map(|(line, cost)| {
            let mut bar = Rectangle::new([(usize::from(line.id), 0.0), (usize::from(line.id) + 1, cost.ticks)], colour.filled());
            bar.set_margin(0, 0, 1, 1);
            bar
        });
        chart.draw_series(bars)?.label(format!("{} {:.1} %", kind.name, 100.0 * kind.share)).legend(legend_box(colour));
    }
    chart.configure_series_labels().position(SeriesLabelPosition::UpperRight).label_font(LEGEND_FONT).background_style(LEGEND_GROUND).draw()?;
    root.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::example::PROFILE;
    use super::*;

    #[test]
    fn every_kind_is_in_the_legend_with_its_share() {
        let svg = draw(&Log::parse(PROFILE.lines()).unwrap(), None).unwrap();
        assert!(svg.contains("Stem 73.2 %") && svg.contains("MixCfn 24.4 %"), "{svg}");
    }
}
