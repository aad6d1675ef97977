//! The Pareto picture (figure 5): published accuracy over parameters and MACs as published.

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::published::{ADE20K, Published, TABLE4};
use crate::plots::legend;

/// Width and height of the picture in pixels.
const PICTURE: (u32, u32) = (1200, 900);
const LABEL: (&str, i32) = ("sans-serif", 12);

/// The families of table 4 and their colours.
const FAMILIES: [(&str, RGBColor); 3] = [("HRViT", RGBColor(38, 90, 165)), ("CSWin", RGBColor(225, 110, 50)), ("MiT", RGBColor(90, 90, 90))];

/// A point: what labels it, cost and accuracy.
type Point = (&'static str, f64, f64);
/// A figure of a row, and one that not every row has.
type Cost = fn(&Published) -> f64;
type Accuracy = fn(&Published) -> Option<f64>;
type Canvas<'s> = DrawingArea<SVGBackend<'s>, Shift>;

/// The picture as SVG: ADE20K above, Cityscapes below, parameters on the left, MACs at 512x512 on
/// the right. Every value is published.
///
/// # Errors
/// If it cannot be drawn.
pub fn draw() -> Result<String> {
    let mut svg = String::new();
    paint(&mut svg).map_err(|error| anyhow!("drawing the Pareto picture: {error}"))?;
    Ok(svg)
}

/// Points of a family with both a cost and an accuracy, from cheap to dear.
fn points(family: &str, cost: Cost, accuracy: Accuracy) -> Vec<Point> {
    let members = TABLE4.iter().filter(|row| row.name.starts_with(family));
    let mut points: Vec<Point> = members.filter_map(|row| Some((row.name, cost(row), accuracy(row)?))).collect();
    points.sort_by(|a, b| a.1.total_cmp(&b.1));
    points
}

fn ade20k(row: &Published) -> Option<f64> {
    ADE20K.iter().find(|(name, _)| *name == row.name).map(|(_, accuracy)| *accuracy)
}

fn paint(svg: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, PICTURE).into_drawing_area();
    root.fill(&WHITE)?;
    let panels = root.split_evenly((2, 2));
    let costs: [(&str, Cost); 2] = [("parameters, millions", |row| row.params), ("MACs at 512x512, thousand millions", |row| row.gmacs)];
    let accuracies: [(&str, Accuracy); 2] = [("ADE20K val, mIoU %", ade20k), ("Cityscapes val, mIoU %", |row| row.cityscapes)];
    for (at, panel) in panels.iter().enumerate() {
        let ((x, cost), (y, accuracy)) = (costs[at % 2], accuracies[at / 2]);
        let families = FAMILIES.map(|(family, colour)| (colour, points(family, cost, accuracy)));
        paint_panel(panel, (x, y), &families)?;
    }
    let lines: Vec<(RGBAColor, String)> = FAMILIES.map(|(family, colour)| (colour.mix(1.0), family.to_owned())).into();
    legend(&root, (PICTURE.0 as i32 - 90, 330), &lines)?;
    root.present()?;
    Ok(())
}

fn paint_panel(panel: &Canvas<'_>, (x, y): (&str, &str), families: &[(RGBColor, Vec<Point>)]) -> Result<(), Box<dyn std::error::Error>> {
    let all = || families.iter().flat_map(|(_, points)| points);
    let most = |value: fn(&Point) -> f64| all().map(value).fold(f64::MIN, f64::max);
    let (dearest, best) = (most(|point| point.1), most(|point| point.2));
    let worst = -most(|point| -point.2);
    let room = 0.12 * (best - worst);
    let mut chart = ChartBuilder::on(panel)
        .caption(format!("{y} over {x}, as published"), ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..1.22 * dearest, worst - room..best + room)?;
    chart.configure_mesh().light_line_style(TRANSPARENT).x_desc(x).x_label_formatter(&|cost| format!("{cost:.0}")).y_desc(y).draw()?;
    for (colour, points) in families {
        let way: Vec<(f64, f64)> = points.iter().map(|point| (point.1, point.2)).collect();
        chart.draw_series([PathElement::new(way.clone(), colour.stroke_width(2))])?;
        chart.draw_series(way.iter().map(|&at| Circle::new(at, 4, colour.filled())))?;
        let style = LABEL.into_font().color(colour).pos(Pos::new(HPos::Left, VPos::Center));
        chart
            .draw_series(points.iter().map(|&(name, cost, accuracy)| EmptyElement::at((cost, accuracy)) + Text::new(name.to_owned(), (8, 8), style.clone())))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_table_4_is_drawn() {
        let svg = draw().unwrap();
        for row in &TABLE4 {
            // Once over parameters and once over MACs, for each data set with a printed value.
            let panels = if ade20k(row).is_some() { 4 } else { 2 };
            assert_eq!(svg.matches(row.name).count() - svg.matches(&format!("{}i", row.name)).count(), panels, "{}", row.name);
        }
        assert!(svg.contains("ADE20K val, mIoU %") && svg.contains("Cityscapes val, mIoU %"));
    }

    #[test]
    fn a_family_goes_from_cheap_to_dear() {
        let names: Vec<&str> = points("MiT", |row| row.params, |row| row.cityscapes).iter().map(|point| point.0).collect();
        assert_eq!(names, ["MiT-B0", "MiT-B1", "MiT-B2", "MiT-B3", "MiT-B4"]);
    }
}
