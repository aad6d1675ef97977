//! A linked program: its sections, its symbols, and which addresses refer to which.

use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, Result, anyhow, ensure};
use gimli::{Dwarf, EndianRcSlice, LittleEndian};
use object::elf::{R_AARCH64_NONE, R_ARM_ABS32, R_ARM_NONE, R_ARM_THM_MOVT_ABS, R_ARM_THM_MOVW_ABS_NC, SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE};
use object::{Architecture, File, Object, ObjectSection, ObjectSymbol, RelocationFlags, RelocationTarget, SectionFlags, SectionKind, SymbolKind};

/// A section that occupies memory of the device.
#[derive(Debug)]
pub struct Section {
    /// `.text` and so on.
    pub name: String,
    /// First address.
    pub address: u64,
    /// Bytes.
    pub size: u64,
    /// Holds instructions.
    pub code: bool,
    /// Is written to by the program.
    pub writable: bool,
    /// Has no contents in the file.
    pub uninitialised: bool,
}

/// A function or a piece of data with a name.
#[derive(Debug)]
pub struct Symbol {
    /// Demangled, without hash.
    pub name: String,
    /// First address.
    pub address: u64,
    /// Bytes.
    pub size: u64,
    /// Is a function.
    pub code: bool,
}

/// The instruction or word at `from` holds or calls the address `to`.
#[derive(Clone, Copy, Debug)]
pub struct Reference {
    /// Address of the instruction or word.
    pub from: u64,
    /// Address that it means.
    pub to: u64,
}

/// Functions and lines of every address, with the functions that were expanded there.
pub type DebugInformation = addr2line::Context<EndianRcSlice<LittleEndian>>;

/// A linked program.
pub struct Elf {
    /// Things that occupy memory, by address.
    pub sections: Vec<Section>,
    /// Named functions and data, by address; of several names of one address, the first.
    pub symbols: Vec<Symbol>,
    /// References from code and data, by address of origin.
    pub references: Vec<Reference>,
    /// All symbols by their name in the file, for those that the linker script makes.
    script_symbols: Vec<(String, u64)>,
    /// Debug information.
    pub dwarf: DebugInformation,
    /// Bytes of the shortest instruction.
    pub instruction_bytes: u64,
}

impl Elf {
    /// Reads a program that was linked with `--emit-relocs`.
    ///
    /// # Errors
    /// If the file cannot be read, is no ELF program, or has references that are not understood.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let file = File::parse(&*bytes).with_context(|| format!("{} is no ELF file", path.display()))?;
        let thumb = file.architecture() == Architecture::Arm;
        ensure!(thumb || file.architecture() == Architecture::Aarch64, "{} is for {:?}, not for ARM", path.display(), file.architecture());
        let dwarf = debug_information(&file).with_context(|| format!("debug information of {}", path.display()))?;
        let references = references(&file, thumb).with_context(|| format!("references of {}", path.display()))?;
        let script_symbols = file.symbols().filter_map(|symbol| Some((symbol.name().ok()?.to_owned(), symbol.address()))).collect();
        Ok(Self { sections: sections(&file), symbols: symbols(&file, thumb), references, script_symbols, dwarf, instruction_bytes: if thumb { 2 } else { 4 } })
    }

    /// Address of a symbol that the linker script defines.
    pub fn script_symbol(&self, name: &str) -> Option<u64> {
        self.script_symbols.iter().find(|(found, _)| found == name).map(|(_, address)| *address)
    }

    /// The named thing that holds `address`.
    pub fn symbol_at(&self, address: u64) -> Option<&Symbol> {
        let after = self.symbols.partition_point(|symbol| symbol.address <= address);
        self.symbols.get(after.checked_sub(1)?).filter(|symbol| address < symbol.address + symbol.size)
    }

    /// References from the addresses `first..end`.
    pub fn references_from(&self, first: u64, end: u64) -> &[Reference] {
        let at = |address| self.references.partition_point(|reference| reference.from < address);
        self.references.get(at(first)..at(end)).unwrap_or_default()
    }
}

/// The debug sections as they lie in the file: the linker has resolved them, although their
/// relocations are kept too.
fn debug_information(file: &File<'_>) -> Result<DebugInformation> {
    let load = |id: gimli::SectionId| -> Result<_, gimli::Error> {
        let section = file.section_by_name(id.name());
        let bytes = section.and_then(|section| section.uncompressed_data().ok()).unwrap_or_default();
        Ok(EndianRcSlice::new(Rc::from(&*bytes), LittleEndian))
    };
    Ok(addr2line::Context::from_dwarf(Dwarf::load(load)?)?)
}

fn sections(file: &File<'_>) -> Vec<Section> {
    let mut sections = Vec::new();
    for section in file.sections() {
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
        if sh_flags.0 & SHF_ALLOC.0 != 0 && section.size() > 0 {
            sections.push(Section {
                name: section.name().unwrap_or("?").to_owned(),
                address: section.address(),
                size: section.size(),
                code: sh_flags.0 & SHF_EXECINSTR.0 != 0,
                writable: sh_flags.0 & SHF_WRITE.0 != 0,
                uninitialised: section.kind() == SectionKind::UninitializedData,
            });
        }
    }
    sections.sort_by_key(|section| section.address);
    sections
}

fn symbols(file: &File<'_>, thumb: bool) -> Vec<Symbol> {
    let mut symbols = Vec::new();
    for symbol in file.symbols() {
        let code = symbol.kind() == SymbolKind::Text;
        if (code || symbol.kind() == SymbolKind::Data) && symbol.size() > 0 {
            let name = format!("{:#}", rustc_demangle::demangle(symbol.name().unwrap_or("?")));
            symbols.push(Symbol { name, address: plain(symbol.address(), code && thumb), size: symbol.size(), code });
        }
    }
    symbols.sort_by_key(|symbol| (symbol.address, symbol.size));
    symbols.dedup_by_key(|symbol| symbol.address);
    symbols
}

/// The address of a function without the bit that says Thumb.
fn plain(address: u64, thumb: bool) -> u64 {
    if thumb { address & !1 } else { address }
}

fn references(file: &File<'_>, thumb: bool) -> Result<Vec<Reference>> {
    let mut references = Vec::new();
    let mut found_relocations = false;
    for section in file.sections() {
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
        if sh_flags.0 & SHF_ALLOC.0 == 0 {
            continue;
        }
        let bytes = section.data().unwrap_or_default();
        let bytes_at = |address: u64| bytes.get((address - section.address()) as usize..).and_then(<[u8]>::first_chunk::<4>);
        // Lower halves of addresses whose upper halves follow, by register.
        let mut lower: [Option<(u64, u16)>; 16] = [None; 16];
        for (from, relocation) in section.relocations() {
            found_relocations = true;
            let RelocationFlags::Elf { r_type } = relocation.flags() else { continue };
            let bytes = *bytes_at(from).with_context(|| format!("{from:#x} lies outside of its section"))?;
            let to = match r_type {
                R_ARM_NONE if thumb => continue,
                R_AARCH64_NONE if !thumb => continue,
                R_ARM_ABS32 if thumb => u64::from(u32::from_le_bytes(bytes)),
                R_ARM_THM_MOVW_ABS_NC if thumb => {
                    let (register, half) = thumb_move(bytes);
                    lower[register] = Some((from, half));
                    continue;
                }
                R_ARM_THM_MOVT_ABS if thumb => {
                    let (register, upper) = thumb_move(bytes);
                    let (at, half) = lower[register].with_context(|| format!("the upper half of an address at {from:#x} has no lower one before it"))?;
                    references.push(Reference { from: at, to: u64::from(upper) << 16 | u64::from(half) });
                    u64::from(upper) << 16 | u64::from(half)
                }
                _ => symbol_address(file, relocation.target(), relocation.addend(), relocation.has_implicit_addend())
                    .with_context(|| format!("relocation {} at {from:#x}", r_type.0))?,
            };
            references.push(Reference { from, to });
        }
    }
    ensure!(found_relocations, "none: the program was linked without --emit-relocs");
    let code = |address: u64| {
        file.sections().any(|section| section.kind() == SectionKind::Text && (section.address()..section.address() + section.size()).contains(&address))
    };
    for reference in &mut references {
        if thumb && code(reference.to) {
            reference.to &= !1;
        }
    }
    references.sort_by_key(|reference| reference.from);
    Ok(references)
}

fn symbol_address(file: &File<'_>, target: RelocationTarget, addend: i64, implicit: bool) -> Result<u64> {
    let RelocationTarget::Symbol(index) = target else { return Err(anyhow!("refers to no symbol")) };
    let symbol = file.symbol_by_index(index)?;
    ensure!(!implicit || symbol.kind() != SymbolKind::Section, "a call into the middle of a section");
    // A linker keeps several symbols of a section, one for each part that it was made from. It
    // counts from the beginning of the whole, at any addresses of the symbols.
    let base = match symbol.section_index().filter(|_| symbol.kind() == SymbolKind::Section) {
        Some(section) => file.section_by_index(section)?.address(),
        None => symbol.address(),
    };
    // An addend inside the instruction is the distance of the program counter; one that is written
    // out belongs to the address.
    Ok(base.wrapping_add_signed(if implicit { 0 } else { addend }))
}

/// Register and constant of a Thumb `movw` or `movt` (encodings T3 and T1). The first halfword has
/// imm4 and i, the second imm3, Rd and imm8.
fn thumb_move(bytes: [u8; 4]) -> (usize, u16) {
    let (first, second) = (u16::from_le_bytes([bytes[0], bytes[1]]), u16::from_le_bytes([bytes[2], bytes[3]]));
    let constant = (first & 0xf) << 12 | (first >> 10 & 1) << 11 | (second >> 12 & 7) << 8 | second & 0xff;
    (usize::from(second >> 8 & 0xf), constant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_of_thumb_moves_come_from_all_four_fields() {
        // movw r12, #0xabcd; movt r3, #0x5aff; movw r0, #0
        assert_eq!(thumb_move([0x4a, 0xf6, 0xcd, 0x3c]), (12, 0xabcd));
        assert_eq!(thumb_move([0xc5, 0xf6, 0xff, 0x23]), (3, 0x5aff));
        assert_eq!(thumb_move([0x40, 0xf2, 0x00, 0x00]), (0, 0));
    }
}
