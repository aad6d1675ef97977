//! Whose code an address is: the crate's, also where another crate's function was expanded in it or
//! it was expanded in another's.

use std::fmt;

use super::elf::{Elf, Symbol};
use crate::machines::MACHINES;

/// Who wrote a piece of code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// A crate of the runtime that goes to devices.
    Runtime(&'static str),
    /// The programs in `firmware/`.
    Firmware,
    /// Any other crate.
    Other(String),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runtime(name) => f.write_str(name),
            Self::Firmware => f.write_str("firmware"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

/// The runtime's crates: name in symbols, and folder in paths of debug information.
const RUNTIME: [(&str, &str); 4] = [
    ("hrvit_kernels", "crates/hrvit-kernels/"),
    ("hrvit_core", "crates/hrvit-core/"),
    ("hrvit_format", "crates/hrvit-format/"),
    ("hrvit_capi", "crates/hrvit-capi/"),
];

/// Things whose name has no crate: start-up code, intrinsics, constants that the compiler named.
pub const NAMELESS: &str = "no crate";

/// Whether a crate is what machines run. (Code of boards is known by its files.)
fn is_firmware(crate_name: &str) -> bool {
    let packages = MACHINES.iter().map(|machine| machine.package).chain(["runner", "emulated", "cortex-m-machine", "aarch64-machine"]);
    packages.into_iter().any(|package| package.replace('-', "_") == crate_name)
}

impl Owner {
    /// Whether it belongs to the runtime.
    pub fn is_runtime(&self) -> bool {
        matches!(self, Self::Runtime(_))
    }

    /// By the source file of a function: only files of this repository decide.
    fn of_file(path: &str) -> Option<Self> {
        let runtime = RUNTIME.iter().find(|(_, folder)| path.contains(folder)).map(|(name, _)| Self::Runtime(name));
        runtime.or_else(|| path.contains("/firmware/").then_some(Self::Firmware))
    }

    /// Decides by a demangled name. A generic function of the language's own libraries belongs to
    /// the runtime if it was made for one of its types.
    pub fn of_name(name: &str) -> Self {
        let first = name.split_once("::").map(|(before, _)| before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(before));
        let Some(first) = first else { return Self::Other(NAMELESS.to_owned()) };
        if is_firmware(first) {
            return Self::Firmware;
        }
        let of_the_language = ["core", "alloc"].contains(&first);
        let named = RUNTIME.iter().filter_map(|(crate_name, _)| Some((name.find(&format!("{crate_name}::"))?, *crate_name)));
        let runtime = named.filter(|(_, crate_name)| of_the_language || *crate_name == first).min();
        runtime.map_or_else(|| Self::Other(first.to_owned()), |(_, crate_name)| Self::Runtime(crate_name))
    }
}

/// Origin of an instruction.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Whose it is.
    pub owner: Owner,
    /// File and line of the owner's code, if debug information has them.
    pub place: Option<String>,
}

impl Elf {
    /// Owner of the instruction at `address`. Functions are expanded into one another there. The
    /// innermost one of this repository decides: `core`'s iterators in a kernel are the kernel, an
    /// observer of the firmware inside the engine is the firmware. Without one, the name of the
    /// function in the ELF decides.
    pub fn origin(&self, address: u64) -> Origin {
        let by_frames = || -> Option<Origin> {
            let mut frames = self.dwarf.find_frames(address).skip_all_loads().ok()?;
            while let Some(frame) = frames.next().ok()? {
                let Some(location) = frame.location else { continue };
                if let Some(owner) = location.file.and_then(Owner::of_file) {
                    let file = location.file.unwrap_or_default();
                    let short = ["/crates/", "/firmware/"].iter().find_map(|part| file.find(part)).map_or(file, |at| &file[at + 1..]);
                    // Line 0 is what the compiler says of code that belongs to several.
                    let line = location.line.filter(|&line| line > 0).map_or_else(String::new, |line| format!(":{line}"));
                    return Some(Origin { owner, place: Some(format!("{short}{line}")) });
                }
            }
            None
        };
        by_frames().unwrap_or_else(|| {
            let owner = self.symbol_at(address).map_or_else(|| Owner::Other(NAMELESS.to_owned()), |symbol| Owner::of_name(&symbol.name));
            Origin { owner, place: None }
        })
    }
}

impl Elf {
    /// Whose function a symbol is, whatever was expanded in it.
    pub fn outermost(&self, function: &Symbol) -> Owner {
        let by_frames = || {
            let mut outermost = None;
            let mut frames = self.dwarf.find_frames(function.address).skip_all_loads().ok()?;
            while let Some(frame) = frames.next().ok()? {
                outermost = frame.location.and_then(|location| location.file).and_then(Owner::of_file);
            }
            outermost
        };
        by_frames().unwrap_or_else(|| Owner::of_name(&function.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_repository_decide() {
        assert_eq!(Owner::of_file("/a/b/crates/hrvit-kernels/src/gemm_s8/mod.rs"), Some(Owner::Runtime("hrvit_kernels")));
        assert_eq!(Owner::of_file("/a/firmware/qemu-m7/src/main.rs"), Some(Owner::Firmware));
        assert_eq!(Owner::of_file("/rustc/01f6/library/core/src/iter/range.rs"), None);
        assert_eq!(Owner::of_file("/root/.cargo/registry/src/index/crc32fast-1.5.0/src/baseline.rs"), None);
    }

    #[test]
    fn names_of_generic_functions_belong_to_the_type_they_were_made_for() {
        assert_eq!(Owner::of_name("<core::iter::Map<_, <hrvit_format::spec::Network>::steps::{closure#0}> as Iterator>::fold"), Owner::Runtime("hrvit_format"));
        assert_eq!(Owner::of_name("hrvit_core::weights::x::<hrvit_format::Model>"), Owner::Runtime("hrvit_core"));
        assert_eq!(Owner::of_name("<u16 as core::fmt::Display>::fmt"), Owner::Other("core".to_owned()));
        assert_eq!(Owner::of_name("qemu_m7::main"), Owner::Firmware);
        assert_eq!(Owner::of_name("<static_cell::StaticCell<hrvit_core::arena::Arena<4>>>::take"), Owner::Other("static_cell".to_owned()));
        assert_eq!(Owner::of_name("<&mut core::fmt::Formatter>::pad"), Owner::Other("core".to_owned()));
        assert_eq!(Owner::of_name("__aeabi_memcpy"), Owner::Other(NAMELESS.to_owned()));
    }
}
