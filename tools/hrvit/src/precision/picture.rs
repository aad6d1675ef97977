//! Accuracy over cost as an SVG.

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::search::Step;
use crate::plots::{LEGEND_FONT, LEGEND_GROUND, legend_box};

/// Width and height of the picture in pixels.
const PICTURE: (u32, u32) = (1000, 460);
const LINE: RGBColor = RGBColor(38, 90, 165);
const DRIFT: RGBColor = RGBColor(225, 110, 50);

/// The path from 8 bits to the choice: logits' signal to noise and drift over the share of
/// multiply-accumulates that are not in 8 bits.
///
/// # Errors
/// If the picture cannot be drawn.
pub fn draw(path: &[Step], drift_name: &str) -> Result<String> {
    let mut svg = String::new();
    paint(path, drift_name, &mut svg).map_err(|error| anyhow!("drawing the choice of precisions: {error}"))?;
    Ok(svg)
}

fn paint(path: &[Step], drift_name: &str, svg: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, PICTURE).into_drawing_area();
    root.fill(&WHITE)?;
    let db = |most: bool| path.iter().map(|step| step.logits_db).fold(if most { f64::MIN } else { f64::MAX }, if most { f64::max } else { f64::min });
    let macs = path.iter().map(|step| 100.0 * step.wide_macs).fold(1.0, f64::max);
    let drift = path.iter().map(|step| step.drift).fold(0.01, f64::max);
    let mut chart = ChartBuilder::on(&root)
        .caption("from 8 bits on, one part after another", ("sans-serif", 17))
        .margin(12)
        .x_label_area_size(45)
        .y_label_area_size(60)
        .right_y_label_area_size(60)
        .build_cartesian_2d(0.0..1.05 * macs, db(false) - 1.0..db(true) + 1.0)?
        .set_secondary_coord(0.0..1.05 * macs, 0.0..1.1 * drift);
    chart.configure_mesh().light_line_style(TRANSPARENT).x_desc("multiply-accumulates not in 8 bits, %").y_desc("logits SQNR, dB").draw()?;
    chart.configure_secondary_axes().y_desc(drift_name).draw()?;
    let points = |value: fn(&Step) -> f64| path.iter().map(move |step| (100.0 * step.wide_macs, value(step)));
    let line = |value: fn(&Step) -> f64, colour: RGBColor| [PathElement::new(points(value).collect::<Vec<_>>(), colour.stroke_width(2))];
    let marks = |value: fn(&Step) -> f64, colour: RGBColor| points(value).map(move |at| Circle::new(at, 3, colour.filled()));
    chart.draw_series(line(|step| step.logits_db, LINE))?.label("logits SQNR").legend(legend_box(LINE));
    chart.draw_series(marks(|step| step.logits_db, LINE))?;
    chart.draw_secondary_series(line(|step| step.drift, DRIFT))?.label(drift_name).legend(legend_box(DRIFT));
    chart.draw_secondary_series(marks(|step| step.drift, DRIFT))?;
    chart.configure_series_labels().position(SeriesLabelPosition::MiddleRight).label_font(LEGEND_FONT).background_style(LEGEND_GROUND).draw()?;
    root.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lines_are_explained() {
        let step = |logits_db, drift, wide_macs| Step { part: None, precision: None, clear_flips: 0, logits_db, drift, wide_macs, bytes: 1, arena_bytes: 1 };
        let svg = draw(&[step(39.0, 0.4, 0.0), step(45.0, 0.1, 0.2)], "decisions changed, %").unwrap();
        assert!(svg.contains("logits SQNR") && svg.contains("decisions changed, %"), "{svg}");
    }
}
