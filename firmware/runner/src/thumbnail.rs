//! A label map as text: small, but enough to see whether the road is where it should be.

use hrvit_core::{Ranked, Size};
use hrvit_format::Meta;

/// Characters per line.
const COLUMNS: usize = 64;
/// One symbol per class; classes beyond share them.
const SYMBOLS: &[u8; 32] = b".#|=-^$xo*%@&+:~ABCDEFGHIJKLMNOP";

fn symbol(label: u8) -> u8 {
    SYMBOLS.get(usize::from(label) % SYMBOLS.len()).copied().unwrap_or(b'?')
}

/// Logs the label map, [`COLUMNS`] characters wide, and how much of it each class takes.
pub fn draw(meta: &Meta<'_>, size: Size, labels: &[u8]) {
    let (height, width) = (usize::from(size.height), usize::from(size.width));
    let columns = COLUMNS.min(width);
    // A character is about twice as high as wide.
    let rows = (height * columns / (2 * width).max(1)).max(1);
    let mut line = [b' '; COLUMNS];
    for row in 0..rows {
        let y = (2 * row + 1) * height / (2 * rows);
        for (column, character) in line.iter_mut().enumerate().take(columns) {
            let x = (2 * column + 1) * width / (2 * columns).max(1);
            *character = labels.get(y * width + x).map_or(b'?', |&label| symbol(label));
        }
        let text = line.get(..columns).and_then(|line| core::str::from_utf8(line).ok()).unwrap_or("");
        defmt::info!("|{=str}|", text);
    }
    for class in 0..=u8::MAX {
        let count = labels.iter().filter(|&&label| label == class).count();
        let permille = (1000 * count).checked_div(labels.len()).unwrap_or(0);
        if count > 0 {
            let name = meta.class_name(class.into()).unwrap_or("");
            defmt::info!("{=char} class {=u8} {=str}: {=usize}.{=usize} %", char::from(symbol(class)), class, name, permille / 10, permille % 10);
        }
    }
}

/// Logs the best classes.
pub fn list(meta: &Meta<'_>, top: &[Ranked]) {
    for ranked in top {
        defmt::info!("class {=u16} {=str}: logit code {=i16}", ranked.class, meta.class_name(ranked.class.into()).unwrap_or(""), ranked.logit.bits());
    }
}
