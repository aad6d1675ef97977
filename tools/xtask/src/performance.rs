//! `cargo xtask performance`: the profiles in `docs/performance.md`, measured anew.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::firmware::build::Plan;
use crate::firmware::grouped;
use crate::hrvit::{Hrvit, path_text};
use crate::machines::machine;
use crate::{command, qemu};

/// The page, relative to the root.
const PAGE: &str = "docs/performance.md";

/// Where the measured part of the page begins and ends; the rest is written by hand.
const MARKS: [&str; 2] = ["<!-- measured by cargo xtask performance -->", "<!-- end of what is measured -->"];

/// What is measured: machine, variant, classes, size.
const PROFILES: [(&str, &str, &str, &str); 4] =
    [("m55", "nano", "11", "192x256"), ("m7", "nano", "11", "192x256"), ("a64", "nano", "11", "192x256"), ("m55", "b1", "19", "224x224")];

/// Measures every profile, draws it and replaces the measured part of the page.
///
/// # Errors
/// If a program does not build or fails, or the page has lost its marks.
pub fn run(root: &Path) -> Result<()> {
    let hrvit = Hrvit::build(root)?;
    let mut text = String::new();
    for (name, variant, classes, size) in PROFILES {
        let machine = machine(name).with_context(|| format!("no machine {name}"))?;
        let plan = Plan { variant: Some(variant.to_owned()), classes: Some(classes.to_owned()), size: Some(size.to_owned()), head: None };
        let (elf, ended) = qemu::execute(root, &hrvit, machine, "profile", &plan, None, true)?;
        let picture = format!("images/profile-{name}-{variant}.svg");
        let svg = root.join("docs").join(&picture);
        let words = ["profile", "--json", "--elf", path_text(&elf)?, "--log", path_text(&ended.log)?, "--svg", path_text(&svg)?];
        let document: Value = serde_json::from_str(&command::succeed(&mut hrvit.command(&words))?).context("hrvit profile --json prints JSON")?;
        section(&mut text, &document, &machine.emulator.join(" "), &picture)?;
    }
    let page = root.join(PAGE);
    let old = std::fs::read_to_string(&page).with_context(|| format!("reading {PAGE}"))?;
    std::fs::write(&page, replace(&old, &text)?).with_context(|| format!("writing {PAGE}"))?;
    println!("{PAGE} is measured anew");
    Ok(())
}

/// One profile as a section of the page.
fn section(text: &mut String, document: &Value, emulator: &str, picture: &str) -> Result<()> {
    let run = &document["log"]["run"];
    let word = |key: &str| run[key].as_str().with_context(|| format!("the profile has no {key}"));
    let (network, size, place, unit) = (word("network")?, word("size")?, word("machine")?, word("unit")?);
    writeln!(text, "\n## {network} {size} on {place}\n")?;
    writeln!(text, "`{emulator}`, arena {} bytes.\n", grouped(run["arena"].as_u64().unwrap_or(0)))?;
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

/// The page with its measured part replaced.
fn replace(page: &str, text: &str) -> Result<String> {
    let [begin, end] = MARKS;
    let (before, rest) = page.split_once(begin).with_context(|| format!("{PAGE} has no line {begin}"))?;
    let (_, after) = rest.split_once(end).with_context(|| format!("{PAGE} has no line {end} after {begin}"))?;
    Ok(format!("{before}{begin}\n{text}\n{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_between_the_marks_is_replaced() {
        let [begin, end] = MARKS;
        assert_eq!(replace(&format!("a\n{begin}\nold\n{end}\nb\n"), "new").unwrap(), format!("a\n{begin}\nnew\n{end}\nb\n"));
        assert!(replace("a", "new").unwrap_err().to_string().contains(begin));
    }
}
