//! `cargo xtask mca`: the kernels' inner loops in a model of each processor's pipeline.

mod loops;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::firmware::build::{self, Plan, target_folder};
use crate::machines::machine;
use crate::tables::table;
use crate::{command, install, isa, parity, qemu};
use loops::Loop;

/// The release of LLVM whose models are used. Others differ: 14 has no model of Cortex-A510, and
/// later ones take vectors of 128 bits for two cycles on Cortex-A53.
const RELEASE: &str = "19";

/// The disassembler and the model of pipelines, of that release.
const TOOLS: [(&str, &str); 2] = [("llvm-objdump-19", "llvm-19"), ("llvm-mca-19", "llvm-19")];

/// Turns of a loop that are modelled.
const TURNS: u64 = 200;

/// Modules with products, convolutions and attention; other operators multiply little.
const FAMILIES: [&str; 7] = ["gemm_s8", "gemm_s16", "dwconv_s8", "attention_s8", "des_s16", "mve", "dsp"];

/// Loops with fewer multiply-accumulates a turn serve what is left over.
const FEWEST_MACS: u64 = 8;

/// A processor.
struct Core {
    name: &'static str,
    /// LLVM's name for the model of its pipeline.
    model: &'static str,
    triple: &'static str,
    /// The emulated machine whose firmware is analysed; none: the program for Linux.
    machine: Option<&'static str>,
    /// Modules with its kernels, the fastest first: of every family, the loops of the first that
    /// has any. Loops of a module for cores that execute in order replace all families' loops with
    /// the same multiply-accumulates. The core does not run these.
    modules: &'static [&'static str],
    /// Additions of neighbouring products (`sadalp`) a cycle, where they take the time of a
    /// multiplication.
    neighbours: Option<f64>,
    /// Most multiply-accumulates a cycle, by the beginning of the mnemonic.
    peaks: &'static [(&'static str, f64)],
}

impl Core {
    /// Whether it has loops of its own because it executes in order.
    fn runs_in_order(&self) -> bool {
        self.modules.first().is_some_and(|module| module.ends_with("in_order"))
    }
}

/// Multiply-accumulates a cycle of 128-bit vector pipes by instruction: one pipe that takes all.
const ONE_PIPE: &[(&str, f64)] = &[("sdot", 16.0), ("smlal", 8.0), ("smull", 8.0), ("mla", 8.0), ("mul", 8.0)];

/// Every processor. Peaks are those of the vendor's optimisation guides, and equal what the models
/// allow for these instructions alone. LLVM models Cortex-A76 as an older core; Neoverse N1 is the
/// same core for servers, and its model is the right one.
const CORES: [Core; 6] = [
    Core {
        name: "cortex-m55",
        model: "cortex-m55",
        triple: "thumbv8.1m.main-none-eabi",
        machine: Some("m55"),
        modules: &["mve"],
        neighbours: None,
        peaks: &[
            ("vmlava.s8", 8.0),
            ("vmlava.u8", 8.0),
            ("vmlava.s16", 4.0),
            ("vmlav.s8", 8.0),
            ("vmlav.u8", 8.0),
            ("vmlav.s16", 4.0),
            ("vmull", 4.0),
            ("vmla", 2.0),
            ("vmul", 2.0),
        ],
    },
    Core {
        name: "cortex-m7",
        model: "cortex-m7",
        triple: "thumbv7em-none-eabi",
        machine: Some("m7"),
        modules: &["dsp"],
        neighbours: None,
        peaks: &[("smlad", 2.0), ("smuad", 2.0), ("smla", 1.0)],
    },
    Core {
        name: "cortex-a53",
        model: "cortex-a53",
        triple: "aarch64-none-elf",
        machine: None,
        modules: &["neon_in_order", "neon"],
        neighbours: Some(1.0),
        peaks: ONE_PIPE,
    },
    Core {
        name: "cortex-a55",
        model: "cortex-a55",
        triple: "aarch64-none-elf",
        machine: None,
        modules: &["neon_dotprod_in_order", "neon_dotprod", "neon"],
        neighbours: Some(1.0),
        peaks: ONE_PIPE,
    },
    Core {
        name: "cortex-a76",
        model: "neoverse-n1",
        triple: "aarch64-none-elf",
        machine: None,
        modules: &["neon_dotprod", "neon"],
        neighbours: None,
        peaks: &[("sdot", 32.0), ("smlal", 8.0), ("smull", 8.0), ("mla", 8.0), ("mul", 8.0)],
    },
    Core {
        name: "cortex-a510",
        model: "cortex-a510",
        triple: "aarch64-none-elf",
        machine: None,
        modules: &["neon_i8mm", "neon_dotprod", "neon"],
        neighbours: None,
        peaks: &[("smmla", 64.0), ("sdot", 32.0), ("smlal", 16.0), ("smull", 16.0), ("mla", 16.0), ("mul", 16.0)],
    },
];

/// Model the kernels' inner loops on Cortex-M55, M7, A53, A55, A76 and A510 with llvm-mca: cycles,
/// and the share of the core's peak
#[derive(Args)]
#[command(after_help = "A model, not a measurement: it knows the pipeline, and no caches, no beats of MVE across instructions and no branch prediction.")]
pub struct McaArgs {
    /// Every loop that multiplies, not only the largest of each function
    #[arg(long)]
    all: bool,
}

/// A loop in the model of a core.
pub struct Modelled {
    core: &'static str,
    model: &'static str,
    function: String,
    instructions: usize,
    macs: u64,
    cycles: f64,
    peak: f64,
    share: f64,
}

impl Modelled {
    /// The core, with the model in parentheses where it has another name.
    fn core(&self) -> String {
        if self.core == self.model { self.core.to_owned() } else { format!("{} ({})", self.core, self.model) }
    }

    fn macs_per_instruction(&self) -> f64 {
        self.macs as f64 / self.instructions as f64
    }
}

/// Prints the table.
///
/// # Errors
/// As [`model`].
pub fn run(root: &Path, args: &McaArgs) -> Result<()> {
    let mut rows = table(&["core (model)", "function", "instructions a turn", "MACs a turn", "cycles a turn", "MACs per cycle", "possible", "share"]);
    for found in model(root, args.all)? {
        let core = found.core();
        let Modelled { function, instructions, macs, cycles, peak, share, .. } = found;
        let rate = format!("{:.2}", macs as f64 / cycles);
        rows.add_row([core, function, instructions.to_string(), macs.to_string(), format!("{cycles:.1}"), rate, rounded(peak), percent(share)]);
    }
    println!("{rows}");
    println!("modelled by llvm-mca of LLVM {}; what is possible is the time of the arithmetic alone", version()?);
    Ok(())
}

/// The loops as a table of a page.
///
/// # Errors
/// Never, but for the formatter's own.
pub fn page(modelled: &[Modelled]) -> Result<String> {
    let mut text =
        String::from("| core (LLVM's model) | loop of | instructions | MACs | MACs per instruction | cycles | MACs per cycle | possible | share |\n");
    text.push_str("|---|---|---:|---:|---:|---:|---:|---:|---:|\n");
    for loop_ in modelled {
        let core = loop_.core();
        let Modelled { function, instructions, macs, cycles, peak, share, .. } = loop_;
        let (each, rate) = (loop_.macs_per_instruction(), *macs as f64 / cycles);
        writeln!(text, "| {core} | `{function}` | {instructions} | {macs} | {each:.2} | {cycles:.1} | {rate:.2} | {} | {} |", rounded(*peak), percent(*share))?;
    }
    Ok(text)
}

/// Multiply-accumulates per instruction of the best inner loop on a core: the ceiling for steps
/// that are nothing but products. None without such a loop.
pub fn ceiling(modelled: &[Modelled], core: &str) -> Option<f64> {
    modelled.iter().filter(|found| found.core == core).map(Modelled::macs_per_instruction).max_by(f64::total_cmp)
}

/// A rate without needless digits.
fn rounded(rate: f64) -> String {
    if rate.fract() < 0.005 { format!("{rate:.0}") } else { format!("{rate:.2}") }
}

/// The version of the model.
fn version() -> Result<String> {
    let [_, (mca, _)] = TOOLS;
    let printed = command::succeed(Command::new(mca).arg("--version"))?;
    let version = printed.lines().find_map(|line| Some(line.split_once("LLVM version ")?.1.trim()));
    let version = version.with_context(|| format!("{mca} --version names no LLVM version"))?;
    ensure!(version.split('.').next() == Some(RELEASE), "{mca} is of LLVM {version}, expected {RELEASE}: install the Debian package llvm-{RELEASE}");
    Ok(version.to_owned())
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// Models the largest loop of every function on every core, or with `all` every loop.
///
/// # Errors
/// If a tool is missing and cannot be installed, a program does not build, or a loop cannot be
/// modelled.
pub fn model(root: &Path, all: bool) -> Result<Vec<Modelled>> {
    install::programs(&TOOLS)?;
    version()?;
    install::targets(root, &[isa::LINUX])?;
    let mut programs: BTreeMap<Option<&str>, Vec<Loop>> = BTreeMap::new();
    let mut modelled = Vec::new();
    for core in &CORES {
        let found = match programs.entry(core.machine) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(loops::find(&disassemble(root, core)?)),
        };
        let chosen = choose(core, found, all);
        ensure!(!chosen.is_empty(), "{}: the program has no loop that multiplies in {}", core.name, core.modules.join(", "));
        for found in chosen {
            modelled.push(of_loop(root, core, found).with_context(|| format!("{}: the loop at {:#x} of {}", core.name, found.address, found.function))?);
        }
    }
    Ok(modelled)
}

/// The text of the program with the core's kernels.
fn disassemble(root: &Path, core: &Core) -> Result<String> {
    let program = match core.machine {
        Some(name) => {
            let machine = machine(name).with_context(|| format!("no machine {name}"))?;
            qemu::install(root, &[machine])?;
            let programs = build::build(root, machine.package, machine.target, &Plan::default(), Some("profile"))?;
            programs.into_iter().next().with_context(|| format!("{} has no program profile", machine.package))?.elf
        }
        None => parity::golden(root, Some(isa::LINUX))?,
    };
    let [(objdump, _), _] = TOOLS;
    let features = if core.machine.is_some() { format!("--mcpu={}", core.model) } else { "--mattr=+dotprod,+i8mm".to_owned() };
    command::succeed(Command::new(objdump).args(["--disassemble", "--no-show-raw-insn", &features]).arg(program))
}

/// Which loops to model, the largest of a core first.
fn choose<'l>(core: &Core, loops: &'l [Loop], all: bool) -> Vec<&'l Loop> {
    let module = |found: &Loop| core.modules.iter().position(|module| found.function.split("::").any(|part| part == *module));
    let family = |found: &Loop| found.function.split("::").next().unwrap_or_default().to_owned();
    let peaked = |found: &&Loop| {
        FAMILIES.contains(&family(found).as_str()) && found.total_macs() >= FEWEST_MACS && found.macs.keys().all(|mnemonic| peak(core, mnemonic).is_some())
    };
    let mut best: BTreeMap<String, usize> = BTreeMap::new();
    for found in loops.iter().filter(peaked) {
        if let Some(at) = module(found) {
            let least = best.entry(family(found)).or_insert(at);
            *least = at.min(*least);
        }
    }
    let mut chosen: Vec<&Loop> =
        loops.iter().filter(peaked).filter(|found| module(found).is_some() && module(found) == best.get(&family(found)).copied()).collect();
    let in_order = chosen.iter().filter(|found| module(found) == Some(0) && core.runs_in_order()).map(|found| found.macs.clone()).collect::<Vec<_>>();
    chosen.retain(|found| module(found) == Some(0) || !in_order.contains(&found.macs));
    chosen.sort_by_key(|found| (std::cmp::Reverse(found.total_macs()), found.instructions, found.function.clone(), found.address));
    let mut seen: Vec<(&str, Vec<&str>)> = Vec::new();
    chosen.retain(|found| {
        let key = (found.function.as_str(), if all { found.shape() } else { Vec::new() });
        let new = !seen.contains(&key);
        if new {
            seen.push(key);
        }
        new
    });
    chosen
}

fn peak(core: &Core, mnemonic: &str) -> Option<f64> {
    core.peaks.iter().find(|(start, _)| mnemonic.starts_with(start)).map(|(_, peak)| *peak)
}

fn of_loop(root: &Path, core: &Core, found: &Loop) -> Result<Modelled> {
    let file = source(root, core, found)?;
    let [_, (mca, _)] = TOOLS;
    let mut mca = Command::new(mca);
    mca.args([format!("-mtriple={}", core.triple), format!("-mcpu={}", core.model), format!("-iterations={TURNS}")]);
    if core.machine.is_none() {
        mca.arg("-mattr=+dotprod,+i8mm");
    }
    let printed = command::succeed(mca.arg(file))?;
    let cycles = printed.lines().find_map(|line| line.strip_prefix("Total Cycles:")?.trim().parse::<f64>().ok());
    let cycles = cycles.context("llvm-mca printed no line `Total Cycles:`")? / TURNS as f64;
    let macs = found.total_macs();
    let products: f64 = found.macs.iter().filter_map(|(mnemonic, macs)| Some(*macs as f64 / peak(core, mnemonic)?)).sum();
    let least = products + core.neighbours.map_or(0.0, |rate| found.neighbours as f64 / rate);
    let (function, instructions) = (found.function.clone(), found.instructions);
    Ok(Modelled { core: core.name, model: core.model, function, instructions, macs, cycles, peak: macs as f64 / least, share: least / cycles })
}

/// The loop in a file for llvm-mca.
fn source(root: &Path, core: &Core, found: &Loop) -> Result<PathBuf> {
    let folder = target_folder(root).join("mca");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let file = folder.join(format!("{}-{:x}.s", core.name, found.address));
    std::fs::write(&file, &found.assembly).with_context(|| format!("writing {}", file.display()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(function: &str, macs: &[(&str, u64)]) -> Loop {
        let macs = macs.iter().map(|(mnemonic, macs)| ((*mnemonic).to_owned(), *macs)).collect();
        Loop { function: function.to_owned(), address: 0, instructions: 10, macs, neighbours: 0, assembly: String::new() }
    }

    fn chosen(core: &str, loops: &[Loop]) -> Vec<String> {
        let core = CORES.iter().find(|known| known.name == core).unwrap();
        choose(core, loops, false).into_iter().map(|found| found.function.clone()).collect()
    }

    #[test]
    fn a_core_that_executes_in_order_has_its_own_loop_instead_of_those_with_the_same_products() {
        let product = [("smull", 256), ("smlal2", 256)];
        let loops = [
            of("gemm_s8::neon_in_order::sixteen_steps", &product),
            of("gemm_s8::neon::run", &product),
            of("attention_s8::neon::run", &product),
            of("attention_s8::neon::run", &[("smull", 128)]),
            of("dwconv_s8::neon::run", &[("smull", 200)]),
        ];
        assert_eq!(chosen("cortex-a53", &loops), ["gemm_s8::neon_in_order::sixteen_steps", "dwconv_s8::neon::run", "attention_s8::neon::run"]);
        assert_eq!(chosen("cortex-a76", &loops), ["attention_s8::neon::run", "gemm_s8::neon::run", "dwconv_s8::neon::run"]);
    }

    #[test]
    fn the_fastest_instructions_of_a_family_count_and_small_or_foreign_loops_do_not() {
        let loops = [
            of("gemm_s8::neon::run", &[("smull", 512)]),
            of("gemm_s8::neon_dotprod::k4_product", &[("sdot", 1024)]),
            of("dwconv_s8::neon::run", &[("smull", 4)]),
            of("resize::neon::run", &[("mul", 64)]),
            of("des_s16::neon::run", &[("vmull", 64)]),
        ];
        assert_eq!(chosen("cortex-a76", &loops), ["gemm_s8::neon_dotprod::k4_product"]);
    }
}
