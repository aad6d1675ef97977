//! `cargo xtask performance`: the profiles in `docs/performance.md`, measured anew.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};

use crate::command;
use crate::count::processors::PROCESSORS;
use crate::count::{self, Counts};
use crate::firmware::build::Plan;
use crate::hrvit::{Hrvit, path_text};
use crate::marked;
use crate::mca::{self, Modelled};
use crate::profile::{By, Profile};
use crate::tables::grouped;

/// The page, relative to the root.
const PAGE: &str = "docs/performance.md";

/// Begin and end of the measured part of the page; the rest is written by hand.
const MARKS: [&str; 2] = ["<!-- measured by cargo xtask performance -->", "<!-- end of what is measured -->"];

/// The modelled core whose kernels each counted processor runs. Those without one are not compared
/// with the roofline.
const CORES: [(&str, &str); 6] =
    [("m55", "cortex-m55"), ("m7", "cortex-m7"), ("a53", "cortex-a53"), ("a55", "cortex-a55"), ("a76", "cortex-a76"), ("max", "cortex-a510")];

/// Measures every profile, draws it, models the inner loops and replaces the measured part of the
/// page. The counts of the nano network are stored, too.
///
/// # Errors
/// If a program does not build or fails, a tool is missing, or the page has lost its marks.
pub fn run(root: &Path) -> Result<()> {
    let hrvit = Hrvit::build(root)?;
    let mut text = String::new();
    let nano = count::measure(root, &hrvit, &PROCESSORS.iter().collect::<Vec<_>>(), &Plan::default())?;
    nano.iter().try_for_each(|counts| profile(root, &hrvit, &mut text, counts, "nano"))?;
    count::bless(root, &nano)?;
    let b1 = Plan { variant: Some("b1".to_owned()), classes: Some("19".to_owned()), size: Some("224x224".to_owned()), ..Plan::default() };
    let b1 = count::measure(root, &hrvit, &PROCESSORS.iter().filter(|processor| processor.name == "m55").collect::<Vec<_>>(), &b1)?;
    b1.iter().try_for_each(|counts| profile(root, &hrvit, &mut text, counts, "b1"))?;
    let loops = mca::model(root, false)?;
    writeln!(text, "\n## Where the instructions go\n\n{}", kinds(root, &hrvit)?)?;
    writeln!(text, "## Times the roofline\n\n{}", roofline(&nano, &loops)?)?;
    writeln!(text, "## Inner loops in a model of the pipeline\n\n{}", mca::page(&loops)?.trim_end())?;
    marked::write(root, PAGE, MARKS, &text)?;
    println!("{PAGE} is measured anew");
    Ok(())
}

/// Draws a profile and writes its section.
fn profile(root: &Path, hrvit: &Hrvit, text: &mut String, counts: &Counts, variant: &str) -> Result<()> {
    let picture = format!("images/profile-{}-{variant}.svg", counts.processor);
    let svg = root.join("docs").join(&picture);
    command::succeed(&mut hrvit.command(&["profile", "--elf", path_text(&counts.elf)?, "--log", path_text(&counts.log)?, "--svg", path_text(&svg)?]))?;
    let processor = PROCESSORS.iter().find(|processor| processor.name == counts.processor).context("a processor that was counted is known")?;
    section(text, counts, &processor.machine()?.emulator.join(" "), &picture)
}

/// One profile as a section of the page.
fn section(text: &mut String, counts: &Counts, emulator: &str, picture: &str) -> Result<()> {
    let Counts { processor, document, run, .. } = counts;
    let (network, size, unit) = (&run.network, run.size, run.unit.to_string());
    writeln!(text, "\n## {network} {size} on {processor}\n")?;
    writeln!(text, "`{emulator}`, arena {} bytes.\n", grouped(run.arena as u64))?;
    writeln!(text, "| kind of block | steps | {unit} a frame | share | MACs | MAC per {} |", unit.trim_end_matches('s'))?;
    writeln!(text, "|---|---:|---:|---:|---:|---:|")?;
    let profile = &document["profile"];
    let costs = profile["kinds"].as_array().context("the profile has kinds")?;
    for cost in costs.iter().chain([&profile["frame"]]) {
        let number = |key: &str| cost[key].as_f64().with_context(|| format!("the profile has no {key}"));
        let rate = cost["macs_per_tick"].as_f64().map_or_else(|| "-".to_owned(), |rate| format!("{rate:.3}"));
        let name = cost["name"].as_str().unwrap_or("?");
        let (ticks, share, macs) = (number("ticks")?.round() as u64, 100.0 * number("share")?, number("macs")? as u64);
        writeln!(text, "| {name} | {} | {} | {share:.1} % | {} | {rate} |", number("steps")?, grouped(ticks), grouped(macs))?;
    }
    writeln!(text, "\n![{unit} of every step]({picture})")?;
    Ok(())
}

/// Millions of instructions of a nano frame by kind of work, on every processor.
fn kinds(root: &Path, hrvit: &Hrvit) -> Result<String> {
    let measured: Vec<Profile> = PROCESSORS.iter().map(|processor| Profile::measure(root, hrvit, processor, &Plan::default())).collect::<Result<_>>()?;
    let mut text = String::from("nano 192x256, millions of instructions a frame (`cargo xtask profile`):\n\n| |");
    PROCESSORS.iter().try_for_each(|processor| write!(text, " {} |", processor.name))?;
    writeln!(text, "\n|---|{}", "---:|".repeat(PROCESSORS.len()))?;
    let columns: Vec<Vec<(String, u64)>> = measured.iter().map(|profile| profile.by(By::Kind)).collect();
    let million = |count: u64| format!(" {:.1} |", count as f64 / 1e6);
    for (row, (kind, _)) in columns.first().context("there are processors")?.iter().enumerate() {
        writeln!(text, "| {kind} |{}", columns.iter().map(|column| million(column[row].1)).collect::<String>())?;
    }
    writeln!(text, "| **frame** |{}", measured.iter().map(|profile| million(profile.total())).collect::<String>())?;
    Ok(text)
}

/// Instructions of every kind of block that multiplies, in multiples of what its
/// multiply-accumulates would take in the best inner loop of the processor.
fn roofline(measured: &[Counts], loops: &[Modelled]) -> Result<String> {
    let mut text = String::from("| kind of block |");
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut below = String::from("| MACs per instruction of the best inner loop |");
    let of = |processor: &str| CORES.iter().find(|(known, _)| *known == processor).map(|(_, core)| *core);
    let compared: Vec<(&Counts, &str)> = measured.iter().filter_map(|counts| Some((counts, of(counts.processor)?))).collect();
    for (counts, core) in &compared {
        write!(text, " {} |", counts.processor)?;
        let ceiling = mca::ceiling(loops, core).with_context(|| format!("no loop is modelled for {core}"))?;
        write!(below, " {ceiling:.2} |")?;
        let profile = &counts.document["profile"];
        for cost in profile["kinds"].as_array().into_iter().flatten().chain([&profile["frame"]]) {
            let (Some(name), Some(rate)) = (cost["name"].as_str(), cost["macs_per_tick"].as_f64()) else { continue };
            let at = rows.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
                rows.push((name.to_owned(), format!("| {name} |")));
                rows.len() - 1
            });
            write!(rows[at].1, " {:.1} |", ceiling / rate)?;
        }
    }
    writeln!(text, "\n|---|{}", "---:|".repeat(compared.len()))?;
    for line in rows.iter().map(|(_, line)| line).chain([&below]) {
        writeln!(text, "{line}")?;
    }
    Ok(text)
}
