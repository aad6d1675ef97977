//! Every step's signal to quantisation noise as an SVG.

use anyhow::{Result, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::steps::StepDrift;
use crate::plots::{LEGEND_FONT, LEGEND_GROUND, legend_box};

/// Width and height of the picture in pixels.
const PICTURE: (u32, u32) = (1400, 510);
const SINGLE: RGBColor = RGBColor(150, 185, 225);
const ENTIRE: RGBColor = RGBColor(38, 90, 165);

/// Two bars per step: alone and accumulated, in dB. Exact results are cut off where the axis ends.
///
/// # Errors
/// If the picture cannot be drawn.
pub fn steps(steps: &[StepDrift]) -> Result<String> {
    let mut svg = String::new();
    paint(steps, &mut svg).map_err(|error| anyhow!("drawing the steps: {error}"))?;
    Ok(svg)
}

fn paint(steps: &[StepDrift], svg: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, PICTURE).into_drawing_area();
    root.fill(&WHITE)?;
    let finite = steps.iter().flat_map(|step| [step.single_db, step.entire_db]).flatten().filter(|db| *db < 150.0);
    let highest = 1.05 * finite.fold(10.0, f64::max);
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .x_label_area_size(100)
        .y_label_area_size(60)
        // The legend lies to the right of the last bar.
        .build_cartesian_2d(0.0..(steps.len() + steps.len().div_ceil(8)) as f64, 0.0..highest)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .disable_x_axis()
        .light_line_style(TRANSPARENT)
        .y_desc("SQNR, dB")
        .y_label_formatter(&|db| format!("{db:.0}"))
        .draw()?;
    for (colour, name, from, to, value) in [(SINGLE, "single", 0.1, 0.5, 0), (ENTIRE, "entire", 0.5, 0.9, 1)] {
        let bars = steps.iter().enumerate().filter_map(|(at, step)| {
            let db = [step.single_db, step.entire_db][value]?.clamp(0.0, highest);
            Some(Rectangle::new([(at as f64 + from, 0.0), (at as f64 + to, db)], colour.filled()))
        });
        chart.draw_series(bars)?.label(name).legend(legend_box(colour));
    }
    let turned = ("sans-serif", 10).into_font().transform(FontTransform::Rotate90).color(&BLACK).pos(Pos::new(HPos::Left, VPos::Center));
    let names = steps.iter().enumerate().map(|(at, step)| (chart.backend_coord(&(at as f64 + 0.5, 0.0)), &step.step)).collect::<Vec<_>>();
    for ((x, y), name) in names {
        root.draw(&Text::new(name.clone(), (x, y + 5), turned.clone()))?;
    }
    chart.configure_series_labels().position(SeriesLabelPosition::UpperRight).label_font(LEGEND_FONT).background_style(LEGEND_GROUND).draw()?;
    root.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_named_and_both_bars_are_explained() {
        let step = |name: &str, single_db| StepDrift {
            step: name.into(),
            kind: "Stem",
            single_db,
            entire_db: Some(30.0),
            cosine: None,
            saturated: 0.0,
            codes_seen: [0, 1],
            codes_available: [0, 1],
            range_used: 1.0,
        };
        let svg = steps(&[step("first.step", Some(200.0)), step("last.step", None)]).unwrap();
        assert!(["first.step", "last.step", "single", "entire"].iter().all(|word| svg.contains(word)), "{svg}");
    }
}
