//! What charts have in common.

use plotters::prelude::*;

/// Font of a legend.
pub const LEGEND_FONT: (&str, i32) = ("sans-serif", 13);
/// What lies behind a legend.
pub const LEGEND_GROUND: RGBAColor = RGBAColor(255, 255, 255, 0.85);

/// The coloured box in front of a line of a legend.
pub fn legend_box(colour: RGBColor) -> impl Fn((i32, i32)) -> Rectangle<(i32, i32)> {
    move |(x, y)| Rectangle::new([(x, y - 5), (x + 14, y + 5)], colour.filled())
}
