//! A profile drawn: one bar per step, coloured by the kind of block.

use anyhow::{Context, Result, anyhow};
use hrvit_log::{Log, Run};
use plotters::prelude::*;

use super::summary::{Summary, headline};
use crate::picture_mark::Mark;
use crate::plots::{LEGEND_FONT, legend, names_below};

/// Width and height of the picture in pixels.
const PICTURE: (u32, u32) = (1400, 640);

/// Width of what lies to the right of the chart, in pixels.
const LEGEND_WIDTH: i32 = 180;

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
    // A log may say of a size that no network has: its picture is of none.
    let Ok(size) = hrvit_format::Size::new(run.size.height, run.size.width) else { return Ok(svg) };
    Ok(Mark::new(size, log.steps.len(), log.steps.iter().map(|step| step.macs).fold(0, u64::saturating_add)).signed(&svg, "profile"))
}

fn paint(log: &Log, run: &Run<String>, summary: &Summary, svg: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, PICTURE).into_drawing_area();
    root.fill(&WHITE)?;
    let highest = summary.steps.iter().map(|cost| cost.ticks).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(&root)
        .caption(headline(run), ("sans-serif", 17))
        .margin(12)
        .margin_right(LEGEND_WIDTH)
        .x_label_area_size(130)
        .y_label_area_size(90)
        .build_cartesian_2d(0..summary.steps.len(), 0.0..1.04 * highest)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .x_label_formatter(&|_| String::new())
        .axis_desc_style(LEGEND_FONT)
        .y_desc(format!("million {} a frame", run.unit))
        .y_label_formatter(&|ticks| format!("{:.2}", ticks / 1e6))
        .draw()?;
    let mut lines = Vec::new();
    for (kind, &colour) in summary.kinds.iter().zip(COLOURS.iter().cycle()) {
        let bars = log.steps.iter().zip(&summary.steps).filter(|(line, _)| line.kind == kind.name);
        let bars = bars.map(|(line, cost)| {
            let mut bar = Rectangle::new([(usize::from(line.id), 0.0), (usize::from(line.id) + 1, cost.ticks)], colour.filled());
            bar.set_margin(0, 0, 1, 1);
            bar
        });
        chart.draw_series(bars)?;
        lines.push((colour.mix(1.0), format!("{} {:.1} %", kind.name, 100.0 * kind.share)));
    }
    names_below(&root, 10, summary.steps.iter().map(|cost| cost.name.as_str()), |edge| chart.backend_coord(&(edge, 0.0)))?;
    legend(&root, (PICTURE.0 as i32 - LEGEND_WIDTH + 12, 50), &lines)?;
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
