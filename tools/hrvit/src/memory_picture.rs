//! The arena over the steps of a frame, drawn: what an embedded engineer looks at before choosing a part.

use anyhow::{Result, anyhow};
use hrvit_core::{Plan, RegionKind};
use plotters::prelude::*;

/// Width and height of the picture in pixels.
const PICTURE: (u32, u32) = (1400, 640);

/// Colours of the branches, from high to low resolution.
const BRANCH_COLOURS: [RGBColor; 4] = [RGBColor(38, 90, 165), RGBColor(30, 135, 130), RGBColor(120, 95, 170), RGBColor(160, 70, 110)];

fn colour(holds: RegionKind) -> RGBAColor {
    let branch = |b: u8, strength: f64| BRANCH_COLOURS[usize::from(b) % BRANCH_COLOURS.len()].mix(strength);
    match holds {
        RegionKind::Weights => RGBColor(90, 90, 90).mix(1.0),
        RegionKind::Stream(b) => branch(b, 1.0),
        RegionKind::StageNorm(b) => branch(b, 0.65),
        RegionKind::Fused(b) => branch(b, 0.35),
        RegionKind::Narrowed => RGBColor(38, 90, 165).mix(0.35),
        RegionKind::Kept => RGBColor(230, 180, 40).mix(1.0),
        RegionKind::Scratch => RGBColor(225, 110, 50).mix(1.0),
    }
}

fn name(holds: RegionKind) -> String {
    match holds {
        RegionKind::Weights => "weights".to_owned(),
        RegionKind::Stream(b) => format!("x{b}: residual stream (s16)"),
        RegionKind::StageNorm(b) => format!("x{b}: stage norm (s16)"),
        RegionKind::Fused(b) => format!("x{b}: narrowed + fused (s8)"),
        RegionKind::Narrowed => "narrowed for the head (s8)".to_owned(),
        RegionKind::Kept => "attention: kept half (s8)".to_owned(),
        RegionKind::Scratch => "line buffers, strips, sums".to_owned(),
    }
}

/// The picture as SVG: steps to the right, addresses upwards.
///
/// # Errors
/// If the picture cannot be drawn.
pub fn draw(plan: &Plan) -> Result<String> {
    let mut svg = String::new();
    paint(plan, &mut svg).map_err(|error| anyhow!("drawing the memory plan: {error}"))?;
    Ok(svg)
}

fn paint(plan: &Plan, svg: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let steps: Vec<_> = plan.network().steps().collect();
    let root = SVGBackend::with_string(svg, PICTURE).into_drawing_area();
    root.fill(&WHITE)?;
    let arena = plan.arena_bytes();
    let title = format!("arena over one frame at {}: {} bytes, {} worker(s)", plan.size(), crate::output::grouped(arena as u64), plan.workers());
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(110)
        .y_label_area_size(80)
        .right_y_label_area_size(230)
        .build_cartesian_2d(0..steps.len(), 0..arena + arena / 50)?;
    let label = |at: &usize| steps.get(*at).map_or_else(String::new, ToString::to_string);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(40)
        .x_label_formatter(&label)
        .x_label_style(("sans-serif", 11).into_font().transform(FontTransform::Rotate90))
        .y_label_formatter(&|bytes| format!("{} KB", bytes / 1000))
        .draw()?;
    let mut shown: Vec<RegionKind> = Vec::new();
    for (at, &step) in steps.iter().enumerate() {
        for region in plan.regions_during(step) {
            let style = colour(region.holds).filled();
            let corners = [(at, region.offset), (at + 1, region.offset + region.bytes)];
            let series = chart.draw_series(std::iter::once(Rectangle::new(corners, style)))?;
            if !shown.contains(&region.holds) {
                shown.push(region.holds);
                series.label(name(region.holds)).legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 14, y + 5)], style));
            }
        }
    }
    chart.draw_series(std::iter::once(PathElement::new(vec![(0, arena), (steps.len(), arena)], RED)))?;
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::Coordinate(1110, 20))
        .label_font(("sans-serif", 12))
        .background_style(WHITE.mix(0.85))
        .draw()?;
    root.present()?;
    Ok(())
}
