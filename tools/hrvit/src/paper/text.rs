//! The tables for people.

use anyhow::Result;
use hrvit_format::Head;

use super::pricing::{Counter, Percent};
use super::rows::{Definition, Row, Table};
use super::{Report, Variant};
use crate::output::{self, grouped};

/// Prints the tables of these numbers; with all of them the engine's costs and counts too.
///
/// # Errors
/// If standard output cannot be written.
pub fn print(report: &Report, numbers: &[u8]) -> Result<()> {
    let wanted = |number: u8| numbers.is_empty() || numbers.contains(&number);
    if wanted(2) {
        output::print_text("Table 2: variants, per branch from high to low resolution")?;
        variants(&report.variants)?;
    }
    for table in report.tables.iter().filter(|table| wanted(table.number)) {
        output::print_text(format_args!("\nTable {}: {}; MACs at {}x{}", table.number, table.title, table.size[0], table.size[1]))?;
        if table.number == 5 {
            ablations(table)?
        } else {
            comparison(table)?
        }
        for note in table.notes {
            output::print_text(format_args!("- {note}"))?;
        }
    }
    if numbers.is_empty() {
        engine(report)?;
    }
    Ok(())
}

fn variants(variants: &[Variant]) -> Result<()> {
    let mut table = output::table(&["variant", "", "windows", "MixCFN ratios", "channels", "head dims", "blocks", "agree"], 2);
    for variant in variants {
        for (from, branches) in [("published", &variant.published), ("built in", &variant.built_in)] {
            let all = |field: fn(&super::published::Branch) -> u16| branches.iter().map(|branch| field(branch).to_string()).collect::<Vec<_>>().join(" ");
            let built_in = from == "built in";
            let blocks = variant.blocks.map(|count| count.to_string()).join(" ");
            table.add_row([
                variant.name.to_owned(),
                from.to_owned(),
                all(|branch| branch.window.into()),
                all(|branch| branch.ratio.into()),
                all(|branch| branch.channels),
                all(|branch| branch.head_dim),
                if built_in { blocks } else { "- - 20-24 4-6".to_owned() },
                if built_in { yes(variant.agrees) } else { String::new() },
            ]);
        }
    }
    output::print_text(table)
}

fn yes(agrees: bool) -> String {
    if agrees { "yes" } else { "no" }.to_owned()
}

fn millions(count: u64) -> String {
    format!("{:.3}", count as f64 / 1e6)
}

fn giga(count: u64) -> String {
    format!("{:.2}", count as f64 / 1e9)
}

fn off(percent: Percent) -> String {
    format!("{:+.1}", percent.0)
}

fn accuracy(percent: Option<f64>) -> String {
    percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent:.2}"))
}

fn name(row: &Row) -> String {
    let mark = if row.definition == Definition::Reading { " (reading)" } else { "" };
    format!("{}{mark}", row.published.name)
}

/// Columns of a table of prices: `own` between those that every such table has.
fn header(own: &[&'static str]) -> Vec<&'static str> {
    [&["network", "params M\npublished", "priced", "off %", "GMAC\npublished"], own, &["ImageNet %\npublished", "Cityscapes %\npublished"]].concat()
}

/// A row under [`header`].
fn cells(row: &Row, own: impl IntoIterator<Item = String>) -> Vec<String> {
    let params = [name(row), format!("{:.1}", row.published.params), millions(row.price.params), off(row.params_off_percent)];
    let accuracies = [row.published.imagenet, row.published.cityscapes].map(accuracy);
    params.into_iter().chain([format!("{:.1}", row.published.gmacs)]).chain(own).chain(accuracies).collect()
}

fn comparison(table: &Table) -> Result<()> {
    let header = header(&["counted\nalike", "off %", "both\nproducts", "heads\nfolded", "largest act.\nM values", "of the\nbackbone"]);
    let mut printed = output::table(&header, 1);
    for row in &table.rows {
        let alike = format!("{}{}", giga(row.counted_macs), if row.counter == Counter::BothProducts { " (both)" } else { "" });
        printed.add_row(cells(
            row,
            [
                alike,
                off(row.macs_off_percent),
                giga(row.price.macs),
                giga(row.price.macs_folded),
                format!("{:.2}", row.price.largest.values as f64 / 1e6),
                format!("{:.2}", row.price.largest_in_backbone.values as f64 / 1e6),
            ],
        ));
    }
    output::print_text(printed)
}

fn ablations(table: &Table) -> Result<()> {
    let header = header(&["counted\nalike", "difference\npublished", "priced", "heads\nfolded"]);
    let mut printed = output::table(&header, 1);
    for row in &table.rows {
        let difference = |of: fn(super::rows::Difference) -> String| row.difference.map_or_else(|| "-".to_owned(), of);
        printed.add_row(cells(
            row,
            [
                giga(row.counted_macs),
                difference(|difference| format!("{:+.1}", difference.published)),
                difference(|difference| format!("{:+.2}", difference.priced)),
                giga(row.price.macs_folded),
            ],
        ));
    }
    output::print_text(printed)
}

fn engine(report: &Report) -> Result<()> {
    output::print_text("\nHRViT in this engine: 8 bits, one worker, the smallest arena")?;
    let header = [
        "variant",
        "head",
        "size",
        "classes",
        "parameters",
        "GMAC\nas trained",
        "GMAC\nas executed",
        "arena bytes",
        "int8 bytes of weights,\nconstants, tables",
    ];
    let mut cells = output::table(&header, 2);
    for cost in &report.engine {
        let head = match cost.head {
            Head::Segformer => "segmentor",
            Head::Classifier => "classifier",
        };
        cells.add_row([
            cost.variant.to_owned(),
            head.to_owned(),
            format!("{}x{}", cost.size[0], cost.size[1]),
            cost.classes.to_string(),
            grouped(cost.params),
            giga(cost.macs_as_written),
            giga(cost.macs_as_executed),
            grouped(cost.arena_bytes as u64),
            grouped(cost.int8_bytes as u64),
        ]);
    }
    output::print_text(cells)?;
    output::print_text("\nInstructions of a frame where they were counted; other sizes and variants were not")?;
    let mut cells = output::table(&["network", "processor", "millions", "source"], 2);
    for count in &report.instructions {
        cells.add_row([count.network.to_owned(), count.processor.to_owned(), format!("{:.1}", count.millions), count.source.to_owned()]);
    }
    output::print_text(cells)
}
