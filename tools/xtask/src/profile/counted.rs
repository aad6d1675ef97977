//! How often every instruction of a program runs within a frame: the plugin compiled, and QEMU run
//! with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::firmware::build::target_folder;
use crate::firmware::elf::Elf;
use crate::hrvit::path_text;
use crate::machines::Machine;
use crate::{command, install, qemu};

/// The plugin's source.
const SOURCE: &str = "tools/xtask/src/profile/plugin.c";

/// The function that computes a frame, as its name ends, and what its name holds.
const FRAME: (&str, &str) = (">::frame", "runner::job::Job");

/// Calls of that function that the plugin has room for.
const ENDS: usize = 16;
/// The first version of QEMU that refuses plugins of interface version 1.
const FIRST_WITHOUT: u32 = 9;

/// Executions by address of the instruction.
pub type Executions = BTreeMap<u64, u64>;

/// Runs `elf` with `model` on `machine`, and counts the instructions of its first frame.
///
/// # Errors
/// If the plugin does not compile, the program has no frame or fails.
pub fn count(root: &Path, machine: &Machine, (path, elf): (&Path, &Elf), model: &Path) -> Result<Executions> {
    let plugin = compile(root)?;
    let (begin, ends) = frame(elf).with_context(|| format!("{}", path.display()))?;
    let counts = plugin.with_file_name(format!("{}.counts", machine.name));
    let _ = std::fs::remove_file(&counts);
    let ends: Vec<String> = ends.iter().map(|end| format!("{end:x}")).collect();
    // QEMU takes a comma that is doubled as one of the text.
    let [plugin, counts_text] = [&plugin, &counts].map(|path| path_text(path).map(|text| text.replace(',', ",,")));
    let argument = format!("{},begin={begin:x},end={},out={}", plugin?, ends.join(":"), counts_text?);
    version(machine)?;
    let ended = qemu::emulate_with(root, machine, path, &[(machine.image_at, model)], false, &["-plugin", &argument])?;
    ensure!(ended.code == 0, "{} ended with code {}", path.display(), ended.code);
    let text = std::fs::read_to_string(&counts).with_context(|| format!("reading {}", counts.display()))?;
    let executions = parse(&text)?;
    ensure!(!executions.is_empty(), "{}: no frame ended", path.display());
    Ok(executions)
}

/// Checks that the machine's QEMU loads plugins of the interface that this one is written for.
fn version(machine: &Machine) -> Result<()> {
    let name = machine.emulator.first().context("a machine has an emulator")?;
    let text = command::succeed(Command::new(name).arg("--version"))?;
    let major = text.split("version ").nth(1).and_then(|rest| rest.split('.').next()).and_then(|major| major.parse::<u32>().ok());
    ensure!(
        major.is_none_or(|major| major < FIRST_WITHOUT),
        "{name} {}: the profile's plugin is for versions below {FIRST_WITHOUT} (Debian 12 has 7.2)",
        text.lines().next().unwrap_or_default()
    );
    Ok(())
}

fn compile(root: &Path) -> Result<PathBuf> {
    install::programs(&[("gcc", "gcc")])?;
    let folder = target_folder(root).join("qemu");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let plugin = folder.join("profile.so");
    let mut compiler = Command::new("gcc");
    compiler.args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", "-o"]).arg(&plugin).arg(root.join(SOURCE));
    command::succeed(&mut compiler)?;
    Ok(plugin)
}

/// Address of the first instruction of a frame, and of those that it returns to.
fn frame(elf: &Elf) -> Result<(u64, Vec<u64>)> {
    let named: Vec<_> = elf.symbols.iter().filter(|symbol| symbol.code && symbol.name.ends_with(FRAME.0) && symbol.name.contains(FRAME.1)).collect();
    let [function] = named[..] else { anyhow::bail!("{} functions are named …{}…{}: expected one", named.len(), FRAME.1, FRAME.0) };
    let calls = elf.references.iter().filter(|reference| reference.to == function.address && elf.symbol_at(reference.from).is_some_and(|from| from.code));
    // A call has 4 bytes on all of these machines.
    let ends: Vec<u64> = calls.map(|call| call.from + 4).collect();
    ensure!((1..=ENDS).contains(&ends.len()), "{} places call {}: expected 1 to {ENDS}", ends.len(), function.name);
    Ok((function.address, ends))
}

fn parse(text: &str) -> Result<Executions> {
    let mut executions = Executions::new();
    for line in text.lines() {
        let mut numbers = line.split(' ');
        let runs: u64 = numbers.next().context("an empty line")?.parse().with_context(|| format!("{line:?}: expected how often a block ran"))?;
        for address in numbers {
            let address = u64::from_str_radix(address, 16).with_context(|| format!("{address:?}: expected an address"))?;
            *executions.entry(address).or_default() += runs;
        }
    }
    Ok(executions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_that_share_instructions_add_up() {
        assert_eq!(parse("3 a0 a4\n2 a4\n").unwrap(), Executions::from([(0xa0, 3), (0xa4, 5)]));
        assert!(parse("x a0").is_err() && parse("1 zz").is_err());
    }
}
