//! All frames of a run, one after another: results as they come, bad frames at the end.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use hrvit_format::Head;
use indicatif::ProgressBar;

use super::{Found, FrameReport, RunArgs, TOP, run_frame, write};
use crate::fit::extent;
use crate::inference::Inference;
use crate::inputs::stream::{Frame, Stream};
use crate::output::{self, Format, JsonList, ReaderGone};
use crate::palette::Classes;
use crate::progress;
use crate::segmenter::Segmenter;

/// Frames of one table.
const ROWS: usize = 50;
/// How many bad frames are spelt out.
const SPELT_OUT: usize = 50;

/// Runs every frame of the stream; a frame that cannot be read does not keep the others from it.
pub fn run(
    segmenter: &dyn Segmenter,
    inference: Inference,
    shift: Option<u8>,
    stream: Stream,
    classes: &Classes,
    args: &RunArgs,
    format: Format,
) -> Result<()> {
    ensure!(shift.is_none() || segmenter.head() == Head::Segformer, "--margin is for segmentors: a classifier's logits are in its result");
    let bar = progress::stream("running");
    let mut said = Said::new(format, bar.clone());
    let (mut bad, mut spelt_out) = (0, Vec::new());
    let mut done = 0;
    for Frame { name, origin, pixels } in stream {
        ensure!(args.logits.is_none() || done + bad == 0, "--logits takes a single frame: there are more");
        let pixels = pixels.and_then(|frame| inference.check(extent(&frame.rgb), segmenter.size()).map(|()| frame));
        match pixels {
            Err(error) => {
                bad += 1;
                if spelt_out.len() < SPELT_OUT {
                    spelt_out.push(format!("{}: {error:#}", origin.display()));
                }
            }
            Ok(frame) => {
                let after = || format!("frame {} ({done} frames are done)", origin.display());
                let report = run_frame(segmenter, inference, shift, (&name, origin.clone(), &frame), classes, args).with_context(after)?;
                write(args, &name, "json", &serde_json::to_vec_pretty(&report)?)?;
                done += 1;
                said.frame(name, report)?;
            }
        }
        bar.inc(1);
    }
    said.end(done, &args.out)?;
    bar.finish_and_clear();
    if bad > 0 {
        if bad > spelt_out.len() {
            spelt_out.push(format!("and {} more", bad - spelt_out.len()));
        }
        bail!("{bad} of {} frames could not be read:\n  {}", done + bad, spelt_out.join("\n  "));
    }
    Ok(())
}

/// Printed output: a table for every so many frames, or one JSON array; nothing once nobody reads
/// it, for the results are files.
struct Said {
    format: Format,
    bar: ProgressBar,
    json: JsonList,
    rows: Vec<(PathBuf, FrameReport)>,
    unread: bool,
}

impl Said {
    fn new(format: Format, bar: ProgressBar) -> Self {
        Self { format, bar, json: JsonList::default(), rows: Vec::new(), unread: false }
    }

    /// Prints unless nobody reads.
    fn print(&mut self, print: impl FnOnce(&mut JsonList) -> Result<()>) -> Result<()> {
        if self.unread {
            return Ok(());
        }
        let json = &mut self.json;
        match self.bar.suspend(|| print(json)) {
            Err(error) if error.is::<ReaderGone>() => {
                self.unread = true;
                Ok(())
            }
            printed => printed,
        }
    }

    fn frame(&mut self, name: PathBuf, report: FrameReport) -> Result<()> {
        if self.format == Format::Json {
            return self.print(|json| json.push(&report));
        }
        self.rows.push((name, report));
        if self.rows.len() == ROWS { self.table() } else { Ok(()) }
    }

    fn table(&mut self) -> Result<()> {
        let table = table(&std::mem::take(&mut self.rows));
        self.print(|_| output::print_text(table))
    }

    fn end(&mut self, done: usize, out: &Path) -> Result<()> {
        if self.format == Format::Json {
            return self.print(|json| std::mem::take(json).finish());
        }
        if !self.rows.is_empty() {
            self.table()?;
        }
        if done == 0 { Ok(()) } else { self.print(|_| output::print_text(format_args!("results in {}", out.display()))) }
    }
}

fn table(rows: &[(PathBuf, FrameReport)]) -> comfy_table::Table {
    let mut table = output::table(&["frame", "network", "ms", "classes"], 2);
    if let Some(column) = table.column_mut(3) {
        column.set_cell_alignment(comfy_table::CellAlignment::Left);
    }
    for (name, report) in rows {
        let said = |one: &Found| match (one.share, one.logit) {
            (Some(share), _) => format!("{} {:.1} %", one.name, 100.0 * share),
            (None, Some(logit)) => format!("{} {logit:.2}", one.name),
            (None, None) => one.name.clone(),
        };
        let classes: Vec<String> = report.classes.iter().take(TOP).map(said).collect();
        table.add_row([name.display().to_string(), report.network.to_owned(), format!("{:.1}", report.ms), classes.join(", ")]);
    }
    table
}
