//! Output of the command.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::{QuantizeArgs, make::Made};
use crate::hold_out::HoldOut;
use crate::output::{self, Format};
use crate::precision::{
    Chosen, Forced,
    search::{Sensitivity, Step},
};
use crate::quantize::Report;

/// How many of the worst operators are shown.
const WORST: usize = 8;

/// Everything that is known of the image.
#[derive(Serialize)]
pub struct Outcome<'a> {
    file: &'a Path,
    written: bool,
    bytes: usize,
    arena_bytes: usize,
    /// From the command's start until the image was judged.
    seconds: f64,
    report: &'a Report,
    hold_out: Option<&'a HoldOut>,
    /// Parts that do not fit 8 bits.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    forced: &'a [Forced],
    #[serde(skip_serializing_if = "Option::is_none")]
    precision: Option<Precisions<'a>>,
    /// Losses by half precision.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    underflow: &'a [String],
    #[serde(skip)]
    operators: bool,
    #[serde(skip)]
    chosen: Option<&'a (Chosen, &'static str)>,
}

/// How `--precision auto` chose.
#[derive(Serialize)]
struct Precisions<'a> {
    drift: &'static str,
    max_drift: f64,
    reached: bool,
    path: &'a [Step],
    sensitivities: &'a [Sensitivity],
}

impl<'a> Outcome<'a> {
    /// Of an image of so many bytes.
    pub fn new(
        args: &'a QuantizeArgs,
        written: bool,
        (bytes, arena_bytes): (usize, usize),
        seconds: f64,
        made: &'a Made<'_>,
        hold_out: Option<&'a HoldOut>,
    ) -> Self {
        let precision = made.chosen.as_ref().map(|(found, drift)| Precisions {
            drift,
            max_drift: args.max_drift,
            reached: found.reached,
            path: &found.path,
            sensitivities: &found.sensitivities,
        });
        let (report, chosen) = (&made.report, made.chosen.as_ref());
        Self {
            file: &args.out,
            written,
            bytes,
            arena_bytes,
            seconds,
            report,
            hold_out,
            forced: &made.forced,
            underflow: &made.underflow,
            precision,
            operators: args.operators,
            chosen,
        }
    }

    /// Prints it; warnings go to standard error.
    ///
    /// # Errors
    /// If standard output cannot be written.
    pub fn print(&self, format: Format) -> Result<()> {
        match format {
            Format::Json => output::print_json(self)?,
            Format::Text => self.print_text()?,
        }
        self.report.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
        self.underflow.iter().for_each(|warning| eprintln!("warning: {warning}"));
        self.forced.iter().for_each(|forced| eprintln!("warning: {forced}"));
        self.hold_out.iter().flat_map(|hold_out| hold_out.warnings()).for_each(|warning| eprintln!("warning: {warning}"));
        if let Some(Precisions { reached: false, max_drift, drift, .. }) = self.precision {
            eprintln!(
                "warning: no choice drifts {max_drift} points or less ({drift}); this is the last one that helps. --precision fp16 has every part in half precision"
            );
        }
        Ok(())
    }

    fn print_text(&self) -> Result<()> {
        if let Some((found, drift)) = self.chosen {
            print_choice(found, drift)?;
        }
        if self.operators {
            output::print_text(self.report.table())?;
        } else if !self.report.ops.is_empty() {
            let mut table = output::table(&["worst operators", "", "dB alone", "dB in the network"], 2);
            let decibels = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |db| format!("{db:.1}"));
            for op in self.report.worst(WORST) {
                table.add_row([op.step.clone(), op.op.clone(), decibels(op.single_db), decibels(op.entire_db)]);
            }
            output::print_text(table)?;
        }
        match self.hold_out {
            Some(hold_out) => hold_out.lines().iter().try_for_each(output::print_text)?,
            None => output::print_text("hold-out: not measured, it takes frames: --calib DIR")?,
        }
        output::print_text(format_args!(
            "{}{}: {} bytes, arena {} bytes; {:.1} s",
            self.file.display(),
            if self.written { "" } else { " (not written)" },
            output::grouped(self.bytes as u64),
            output::grouped(self.arena_bytes as u64),
            self.seconds
        ))
    }
}

/// The parts that were added and what each brought.
fn print_choice(found: &Chosen, drift: &str) -> Result<()> {
    let mut table = output::table(&["not in 8 bits", "precision", "logits dB", drift, "MACs not in 8x8, %", "image bytes", "arena bytes"], 2);
    for step in &found.path {
        table.add_row([
            step.part.as_deref().map_or_else(|| if found.forced.is_empty() { "nothing" } else { "what does not fit" }.to_owned(), |part| format!("+ {part}")),
            step.precision.unwrap_or_default().to_owned(),
            format!("{:.2}", step.logits_db),
            format!("{:.3}", step.drift),
            format!("{:.1}", 100.0 * step.wide_macs),
            output::grouped(step.bytes as u64),
            output::grouped(step.arena_bytes as u64),
        ]);
    }
    output::print_text(table)
}
