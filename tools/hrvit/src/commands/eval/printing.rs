//! Tables of an evaluation.

use anyhow::{Context, Result};
use hrvit_format::Size;

use crate::classification;
use crate::evaluation::Evaluation;
use crate::output;

/// One row per class, then the totals, a column per contestant.
pub fn segmentor(result: &Evaluation) -> Result<()> {
    let columns: Vec<_> = [("float", &result.float), (result.precision.as_deref().unwrap_or("image"), &result.engine)]
        .into_iter()
        .filter_map(|(name, quality)| Some((name, quality.as_ref()?)))
        .collect();
    let mut header = vec!["class"];
    header.extend(columns.iter().map(|(name, _)| *name));
    if columns.len() == 2 {
        header.push("delta");
    }
    let mut table = output::table(&header, 1);
    let percent = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{:.2}", 100.0 * value));
    let mut row = |title: &str, values: Vec<Option<f64>>| {
        let mut cells = vec![title.to_owned()];
        cells.extend(values.iter().map(|value| percent(*value)));
        if let [Some(float), Some(int8)] = values[..] {
            cells.push(format!("{:+.2}", 100.0 * (int8 - float)));
        }
        table.add_row(cells);
    };
    let (_, first) = columns.first().context("an evaluation has a contestant")?;
    for (number, class) in first.classes.iter().enumerate() {
        row(&class.name, columns.iter().map(|(_, quality)| quality.classes[number].iou).collect());
    }
    row("mIoU", columns.iter().map(|(_, quality)| quality.miou).collect());
    row("pixel accuracy", columns.iter().map(|(_, quality)| quality.pixel_accuracy).collect());
    let [height, width] = result.size;
    output::print_text(format_args!("{} frames {}, in percent\n{table}", result.frames, result.inference.words(Size { height, width })))?;
    match (result.pixel_agreement, result.logits_sqnr_db) {
        (Some(agreement), Some(sqnr)) => output::print_text(format_args!("pixel agreement {:.2} %, logits SQNR {sqnr:.1} dB", 100.0 * agreement))?,
        (Some(agreement), None) => output::print_text(format_args!("pixel agreement {:.2} %", 100.0 * agreement))?,
        (None, _) => {}
    }
    result.saturation.iter().try_for_each(|saturation| output::print_text(saturation.line()))
}

/// Top-1 and top-5, a column per contestant.
pub fn classifier(result: &classification::Evaluation) -> Result<()> {
    let named = [("float", result.float), (result.precision.as_deref().unwrap_or("image"), result.engine)];
    let columns: Vec<_> = named.into_iter().filter_map(|(name, quality)| Some((name, quality?))).collect();
    let mut header = vec![""];
    header.extend(columns.iter().map(|(name, _)| *name));
    if result.delta.is_some() {
        header.push("delta");
    }
    let mut table = output::table(&header, 1);
    let percent = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{:.2}", 100.0 * value));
    for (title, of) in [("top-1", (|quality| quality.top1) as fn(&classification::Quality) -> Option<f64>), ("top-5", |quality| quality.top5)] {
        let mut cells = vec![title.to_owned()];
        cells.extend(columns.iter().map(|(_, quality)| percent(of(quality))));
        cells.extend(result.delta.iter().map(|delta| of(delta).map_or_else(|| "-".to_owned(), |delta| format!("{:+.2}", 100.0 * delta))));
        table.add_row(cells);
    }
    let [height, width] = result.size;
    output::print_text(format_args!("{} frames {}, in percent\n{table}", result.frames, result.inference.words(Size { height, width })))?;
    if let (Some(agreement), Some(sqnr)) = (result.agreement, result.logits_sqnr_db) {
        output::print_text(format_args!("same first class {:.2} %, logits SQNR {sqnr:.1} dB", 100.0 * agreement))?;
    }
    result.saturation.iter().try_for_each(|saturation| output::print_text(saturation.line()))
}
