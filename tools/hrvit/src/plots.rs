//! Parts that charts have in common.

use plotters::backend::DrawingBackend;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Font of a legend.
pub const LEGEND_FONT: (&str, i32) = ("sans-serif", 13);
/// Colour behind a legend.
pub const LEGEND_GROUND: RGBAColor = RGBAColor(255, 255, 255, 0.85);

/// The coloured box in front of a line of a legend.
pub fn legend_box(colour: RGBColor) -> impl Fn((i32, i32)) -> Rectangle<(i32, i32)> {
    move |(x, y)| Rectangle::new([(x, y - 5), (x + 14, y + 5)], colour.filled())
}

/// Height of a line of a legend in pixels, and the side of its box.
const LINE: i32 = 18;
const BOX: i32 = 12;

/// A legend beside a chart, its upper left corner at pixel `(x, y)`: a box and a text a line.
///
/// # Errors
/// If the backend cannot draw.
pub fn legend<B: DrawingBackend>(
    root: &DrawingArea<B, Shift>,
    (x, y): (i32, i32),
    lines: &[(RGBAColor, String)],
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    let style = LEGEND_FONT.into_text_style(root).pos(Pos::new(HPos::Left, VPos::Center));
    for (line, (colour, text)) in (0..).zip(lines) {
        let top = y + line * LINE;
        root.draw(&Rectangle::new([(x, top), (x + BOX, top + BOX)], colour.filled()))?;
        root.draw(&Text::new(text.as_str(), (x + BOX + 6, top + BOX / 2), style.clone()))?;
    }
    Ok(())
}

/// Names under a chart, one for each stretch between two edges, running downwards; `edge` gives the
/// pixel of an edge on the axis.
///
/// # Errors
/// If the backend cannot draw.
pub fn names_below<'a, B: DrawingBackend>(
    root: &DrawingArea<B, Shift>,
    size: i32,
    names: impl Iterator<Item = &'a str>,
    edge: impl Fn(usize) -> (i32, i32),
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    let font = ("sans-serif", size).into_font().transform(FontTransform::Rotate90);
    let style = font.into_text_style(root).pos(Pos::new(HPos::Left, VPos::Center));
    for (at, name) in names.enumerate() {
        let [left, right] = [at, at + 1].map(&edge);
        root.draw(&Text::new(name, (i32::midpoint(left.0, right.0), left.1 + 6), style.clone()))?;
    }
    Ok(())
}
