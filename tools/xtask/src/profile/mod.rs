//! `cargo xtask profile`: where the instructions of a frame go, by kind of work, function or line
//! of source.
//!
//! | file | what |
//! |---|---|
//! | `plugin.c` | counts every instruction of an emulated program |
//! | [`counted`] | compiles the plugin and runs a program with it |
//! | [`kinds`] | which kind of work an instruction does |

mod counted;
mod kinds;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

use crate::count::processors::{Processor, parse_processor};
use crate::firmware::build::{self, Plan, PlanArgs};
use crate::firmware::elf::Elf;
use crate::hrvit::Hrvit;
use crate::qemu;
use crate::tables::{grouped, table as rows};
use counted::Executions;
use kinds::{KINDS, Origin};

/// Show where the instructions of a frame go on an emulated processor
#[derive(Args)]
#[command(after_help = "Examples:
  cargo xtask profile a53
  cargo xtask profile m55 --by symbol --top 20
  cargo xtask profile a53 --kind copies --by line
  cargo xtask profile a53 --calls memcpy
  cargo xtask profile a76 --by line --variant b1 --classes 19 --size 224x224")]
pub struct ProfileArgs {
    /// m55, m7, m33, a53, a72, a55, a76 or max
    #[arg(value_name = "PROCESSOR", value_parser = parse_processor)]
    processor: &'static Processor,
    /// Unit by which instructions are added up
    #[arg(long, value_enum, default_value_t)]
    by: By,
    /// Only kinds of work whose name has this in it
    #[arg(long, value_name = "TEXT")]
    kind: Option<String>,
    /// Instead: where a function is called from, and how often
    #[arg(long, value_name = "FUNCTION", conflicts_with_all = ["by", "kind"])]
    calls: Option<String>,
    /// How many rows; kinds are shown all
    #[arg(long, value_name = "N", default_value_t = 30)]
    top: usize,
    #[command(flatten)]
    plan: PlanArgs,
}

/// Unit by which instructions are added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// Kinds of work
    #[default]
    Kind,
    /// Lines of source
    Line,
    /// Functions as they are linked
    Symbol,
}

/// Instructions of a frame, each with where it comes from.
pub struct Profile {
    elf: Elf,
    executions: Executions,
    instructions: Vec<(u64, String, Vec<Origin>)>,
}

/// Measures and prints.
///
/// # Errors
/// If something is missing or does not build, or the program fails.
pub fn run(root: &Path, args: &ProfileArgs) -> Result<()> {
    let mut profile = Profile::measure(root, &Hrvit::build(root)?, args.processor, &args.plan.plan())?;
    if let Some(text) = &args.kind {
        profile.instructions.retain(|(_, _, origins)| kinds::kind(origins).contains(text.as_str()));
        ensure!(!profile.instructions.is_empty(), "no instruction is of a kind with {text:?} in its name: expected one of\n  {}", KINDS.join("\n  "));
    }
    if let Some(function) = &args.calls {
        let mut table = rows(&[&format!("calls of {function}"), "times"]);
        profile.calls(function).into_iter().take(args.top).for_each(|(place, count)| _ = table.add_row([place, grouped(count)]));
        println!("{table}");
        return Ok(());
    }
    let (mut sums, total) = (profile.by(args.by), profile.total());
    if args.by != By::Kind {
        sums.truncate(args.top);
    }
    let mut table = rows(&["", "instructions", "share"]);
    for (name, count) in &sums {
        table.add_row([name.clone(), grouped(*count), format!("{:.1} %", 100.0 * *count as f64 / total as f64)]);
    }
    let all = if args.kind.is_some() { "all of these" } else { "frame" };
    table.add_row([all.to_owned(), grouped(total), "100.0 %".to_owned()]);
    println!("{table}");
    Ok(())
}

impl Profile {
    /// Of the first frame of a network on a processor.
    ///
    /// # Errors
    /// If something is missing or does not build, or the program fails.
    pub fn measure(root: &Path, hrvit: &Hrvit, processor: &Processor, plan: &Plan) -> Result<Self> {
        let machine = processor.machine()?;
        qemu::install(root, &[&machine])?;
        let model = hrvit.model(plan, machine.layout)?;
        let programs = build::build(root, machine.package, machine.target, plan, Some("profile"))?;
        let path = programs.into_iter().next().with_context(|| format!("{} has no program profile", machine.package))?.elf;
        let elf = Elf::read(&path)?;
        let executions = counted::count(root, &machine, (&path, &elf), &model)?;
        let mut instructions = Vec::new();
        for (&address, &count) in &executions {
            let symbol = elf.symbol_at(address).map_or_else(|| "?".to_owned(), |symbol| symbol.name.clone());
            let origins = origins(&elf, address, &symbol);
            if !kinds::is_observer(&origins) {
                instructions.push((count, symbol, origins));
            }
        }
        Ok(Self { elf, executions, instructions })
    }

    /// Callers of functions whose name is or ends like this, the most frequent place
    /// first.
    pub fn calls(&self, function: &str) -> Vec<(String, u64)> {
        let is_meant = |to: u64| self.elf.symbol_at(to).is_some_and(|symbol| symbol.address == to && symbol.name.ends_with(function));
        let mut sums: BTreeMap<String, u64> = BTreeMap::new();
        for call in self.elf.references.iter().filter(|call| is_meant(call.to)) {
            let Some(count) = self.executions.get(&call.from) else { continue };
            let symbol = self.elf.symbol_at(call.from).map_or("?", |symbol| symbol.name.as_str());
            let places: Vec<String> = origins(&self.elf, call.from, symbol).iter().map(|origin| format!("{}:{}", origin.file, origin.line)).collect();
            *sums.entry(places.join(" < ")).or_default() += count;
        }
        largest_first(sums)
    }

    /// Instructions of the frame.
    pub fn total(&self) -> u64 {
        self.instructions.iter().map(|(count, ..)| count).sum()
    }

    /// Sums, the largest first; kinds in their own order, with those that do not occur.
    pub fn by(&self, by: By) -> Vec<(String, u64)> {
        let mut sums: BTreeMap<String, u64> = BTreeMap::new();
        for (count, symbol, origins) in &self.instructions {
            let name = match by {
                By::Kind => kinds::kind(origins).to_owned(),
                By::Symbol => symbol.clone(),
                // The innermost line of this repository: what is expanded there counts for it.
                By::Line => {
                    let own = origins.iter().find(|origin| origin.file.starts_with("crates/hrvit-")).or(origins.first());
                    own.map_or_else(|| symbol.clone(), |own| format!("{}:{}", own.file, own.line))
                }
            };
            *sums.entry(name).or_default() += count;
        }
        if by == By::Kind {
            return KINDS.iter().map(|kind| ((*kind).to_owned(), sums.get(*kind).copied().unwrap_or(0))).collect();
        }
        largest_first(sums)
    }
}

fn largest_first(sums: BTreeMap<String, u64>) -> Vec<(String, u64)> {
    let mut sums: Vec<(String, u64)> = sums.into_iter().collect();
    sums.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    sums
}

/// The function of an instruction and those that it was expanded into; the last is the linked one.
fn origins(elf: &Elf, address: u64, symbol: &str) -> Vec<Origin> {
    let mut found = Vec::new();
    if let Ok(mut frames) = elf.dwarf.find_frames(address).skip_all_loads() {
        while let Ok(Some(frame)) = frames.next() {
            let function = frame.function.as_ref().and_then(|function| Some(function.demangle().ok()?.into_owned())).unwrap_or_default();
            let (file, line) = frame.location.map_or((String::new(), 0), |place| (shortened(place.file.unwrap_or_default()), place.line.unwrap_or(0)));
            found.push(Origin { function, file, line });
        }
    }
    match found.last_mut() {
        // The symbol has generic arguments, debug information may not.
        Some(outermost) => symbol.clone_into(&mut outermost.function),
        None => found.push(Origin { function: symbol.to_owned(), ..Origin::default() }),
    }
    found
}

/// A path from the repository's or a package's folder on.
fn shortened(path: &str) -> String {
    ["crates/", "firmware/", "library/"].iter().find_map(|folder| path.find(folder).map(|at| path[at..].to_owned())).unwrap_or_else(|| path.to_owned())
}
