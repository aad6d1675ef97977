//! The arena over the steps of a frame, drawn: what an embedded engineer looks at before choosing a
//! part.

use anyhow::{Result, anyhow};
use hrvit_core::{Plan, RegionKind};
use plotters::prelude::*;

use crate::picture_mark::Mark;
use crate::plots::{legend, names_below};

/// Width and height of the picture in pixels.
const PICTURE: (u32, u32) = (1400, 640);

/// Width of what lies to the right of the chart, in pixels.
const LEGEND_WIDTH: i32 = 230;

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
    Ok(Mark::of(plan.network(), plan.size()).in_precision(plan.precisions()).signed(&svg, "plan"))
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
        .margin_right(LEGEND_WIDTH)
        .x_label_area_size(130)
        .y_label_area_size(80)
        .build_cartesian_2d(0..steps.len(), 0..arena + arena / 50)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .x_label_formatter(&|_| String::new())
        .y_label_formatter(&|bytes| format!("{} KB", bytes / 1000))
        .draw()?;
    let mut shown: Vec<RegionKind> = Vec::new();
    for (at, &step) in steps.iter().enumerate() {
        for region in plan.regions_during(step) {
            let corners = [(at, region.offset), (at + 1, region.offset + region.bytes)];
            chart.draw_series(std::iter::once(Rectangle::new(corners, colour(region.holds).filled())))?;
            if !shown.contains(&region.holds) {
                shown.push(region.holds);
            }
        }
    }
    chart.draw_series(std::iter::once(PathElement::new(vec![(0, arena), (steps.len(), arena)], RED)))?;
    let names: Vec<String> = steps.iter().map(ToString::to_string).collect();
    names_below(&root, 10, names.iter().map(String::as_str), |edge| chart.backend_coord(&(edge, 0)))?;
    let lines: Vec<(RGBAColor, String)> = shown.into_iter().map(|holds| (colour(holds), name(holds))).collect();
    legend(&root, (PICTURE.0 as i32 - LEGEND_WIDTH + 12, 50), &lines)?;
    root.present()?;
    Ok(())
}
