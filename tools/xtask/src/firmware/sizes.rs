//! Memory that a program takes of the device: code and constants per crate, memory per purpose.

use std::collections::{BTreeMap, BTreeSet};

use super::elf::{Elf, Section};
use super::owner::{NAMELESS, Owner};

/// Bytes of code and constants that the runtime's own crates are meant to take on a
/// microcontroller.
pub const RUNTIME_GOAL: u64 = 64 << 10;

/// Bytes above which the check fails while the goal is not reached: the budget of a program for
/// images in 8 bits. Code that is worth its bytes takes them from other code.
pub const RUNTIME_LIMIT: u64 = 90_000;

/// Code and constants of one crate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Share {
    /// Instructions, with the tables among them.
    pub code: u64,
    /// Read-only data.
    pub constants: u64,
}

/// Memory that a program takes.
#[derive(Debug)]
pub struct Sizes {
    /// Code and constants by whose they are.
    pub shares: BTreeMap<Owner, Share>,
    /// All code and read-only data, without the model.
    pub text: u64,
    /// Initialised data.
    pub data: u64,
    /// Data that starts as zeros or as nothing, without the arena.
    pub bss: u64,
    /// The engine's arena.
    pub arena: u64,
    /// A model image inside the program.
    pub model: u64,
    /// Room between the initial stack pointer and the next thing below it.
    pub stack_room: Option<u64>,
}

impl Sizes {
    /// Measures a program.
    pub fn of(elf: &Elf) -> Self {
        let arena_symbol = elf.symbols.iter().find(|symbol| !symbol.code && symbol.name.rsplit("::").next().is_some_and(|name| name == "ARENA"));
        let mut sizes = Self { shares: BTreeMap::new(), text: 0, data: 0, bss: 0, arena: 0, model: 0, stack_room: stack_room(elf) };
        for section in &elf.sections {
            let place = match section {
                section if section.name.starts_with(".model") => &mut sizes.model,
                section if section.name.starts_with(".arena") => &mut sizes.arena,
                section if section.uninitialised => &mut sizes.bss,
                section if section.writable && !section.code => &mut sizes.data,
                _ => &mut sizes.text,
            };
            *place += section.size;
        }
        if let (Some(arena), 0) = (arena_symbol, sizes.arena) {
            sizes.arena = arena.size;
            sizes.bss = sizes.bss.saturating_sub(arena.size);
        }
        count_code(elf, &mut sizes.shares);
        count_constants(elf, &mut sizes.shares);
        sizes
    }

    /// Code and constants of the runtime's own crates.
    pub fn runtime(&self) -> u64 {
        let shares = self.shares.iter().filter(|(owner, _)| owner.is_runtime());
        shares.map(|(_, share)| share.code + share.constants).sum()
    }
}

/// Every instruction of every function to its owner.
fn count_code(elf: &Elf, shares: &mut BTreeMap<Owner, Share>) {
    for symbol in elf.symbols.iter().filter(|symbol| symbol.code) {
        for address in (symbol.address..symbol.address + symbol.size).step_by(elf.instruction_bytes as usize) {
            shares.entry(elf.origin(address).owner).or_default().code += elf.instruction_bytes.min(symbol.address + symbol.size - address);
        }
    }
}

/// Named constants go to the crate in their name. Nameless ones, from one referenced address to the
/// next, go to the code that refers to them.
fn count_constants(elf: &Elf, shares: &mut BTreeMap<Owner, Share>) {
    for section in elf.sections.iter().filter(|section| is_constants(section)) {
        let inside = |address: u64| (section.address..section.address + section.size).contains(&address);
        for (first, end) in pieces(elf, section) {
            let named = elf.symbol_at(first).filter(|symbol| !symbol.code).map(|symbol| Owner::of_name(&symbol.name));
            let named = named.filter(|owner| *owner != Owner::Other(NAMELESS.to_owned()));
            let by_reference = || {
                let users = elf.references.iter().filter(|reference| reference.to == first && !inside(reference.from));
                users.map(|user| elf.origin(user.from).owner).min()
            };
            let owner = named.or_else(by_reference).unwrap_or_else(|| Owner::Other("constants of constants".to_owned()));
            shares.entry(owner).or_default().constants += end - first;
        }
    }
}

fn is_constants(section: &Section) -> bool {
    !section.code && !section.writable && !section.uninitialised && section.name.starts_with(".rodata")
}

/// A section of data, cut where a symbol starts or an address is referred to.
pub fn pieces(elf: &Elf, section: &Section) -> Vec<(u64, u64)> {
    let range = section.address..section.address + section.size;
    let mut starts = BTreeSet::from([range.start]);
    for symbol in elf.symbols.iter().filter(|symbol| !symbol.code && range.contains(&symbol.address)) {
        starts.extend([symbol.address, symbol.address + symbol.size]);
    }
    let inside_symbol = |address: u64| elf.symbol_at(address).is_some_and(|symbol| !symbol.code);
    starts.extend(elf.references.iter().map(|reference| reference.to).filter(|to| range.contains(to) && !inside_symbol(*to)));
    let ends: Vec<u64> = starts.iter().copied().skip(1).chain([range.end]).collect();
    starts.into_iter().zip(ends).filter(|(start, end)| start < end).collect()
}

/// From the initial stack pointer down to the end of what lies below it, or to where the linker
/// script says that the stack ends.
fn stack_room(elf: &Elf) -> Option<u64> {
    let top = elf.script_symbol("_stack_start")?;
    let said = elf.script_symbol("_stack_end").filter(|&end| end < top);
    let below = || elf.sections.iter().map(|section| section.address + section.size).filter(|&end| end <= top).max();
    Some(top - said.or_else(below)?)
}
