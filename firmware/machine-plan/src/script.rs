//! Output of the plan: constants for the program, sections for the linker, the embedded image.

use std::path::Path;

use crate::environment::{feature, variable};
use crate::{Machine, Placed};

/// `plan.rs`.
pub fn constants(machine: &Machine, placed: &Placed, frames: u32) -> String {
    format!(
        "/// The machine's name, as in the log.\npub const NAME: &str = \"{}\";\n\
         /// Bytes of the arena.\npub const ARENA_BYTES: usize = {};\n\
         /// Bytes of the label map.\npub const LABEL_BYTES: usize = {};\n\
         /// Bytes of the buffer for the head of a streamed image.\npub const HEAD_BYTES: usize = {};\n\
         /// Frames that `profile` measures.\npub const FRAMES: u32 = {frames};\n",
        machine.name, placed.arena, placed.labels, placed.head
    )
}

/// `sections.x`: `.model`, `.arena` and `.arena_labels` in their memories. The latter two are not
/// loaded; the program clears them between `__sarena` and `__earena`, `__slabels` and `__elabels`.
pub fn sections(machine: &Machine, placed: &Placed) -> String {
    let [region, labels] = [placed.memory, placed.labels_memory].map(|memory| machine.arena.get(memory).map_or("", |memory| memory.region));
    format!(
        "SECTIONS {{\n\
         \x20 .model : ALIGN(64) {{ KEEP(*(.model .model.*)); . = ALIGN(64); }} > {}\n\
         \x20 .arena (NOLOAD) : ALIGN(64) {{ __sarena = .; *(.arena .arena.*); . = ALIGN(64); __earena = .; }} > {region}\n\
         \x20 .arena_labels (NOLOAD) : ALIGN(64) {{ __slabels = .; *(.arena_labels); . = ALIGN(64); __elabels = .; }} > {labels}\n\
         }} INSERT AFTER .got;\n",
        machine.model
    )
}

/// The part of `plan.rs` that links in the image named by `HRVIT_MODEL`, with feature
/// `embedded-model`; else the one that says that there is none.
pub fn embedded() -> Result<String, String> {
    const DOC: &str = "/// The image that is linked in.\n";
    if !feature("EMBEDDED_MODEL") {
        return Ok(format!("{DOC}pub const EMBEDDED: Option<&'static [u8]> = None;\n"));
    }
    if feature("STREAMED") {
        return Err("an embedded image is addressed in place: choose one of the features embedded-model and streamed".to_owned());
    }
    let name = variable("HRVIT_MODEL", "");
    if name.is_empty() {
        return Err("feature embedded-model: HRVIT_MODEL must name the model image to link in".to_owned());
    }
    let path = Path::new(&name).canonicalize().map_err(|error| format!("HRVIT_MODEL={name}: {error}; give an absolute path"))?;
    let bytes = path.metadata().map_err(|error| format!("HRVIT_MODEL={name}: {error}"))?.len();
    println!("cargo::rerun-if-changed={}", path.display());
    Ok(format!(
        "{DOC}pub const EMBEDDED: Option<&'static [u8]> = {{\n\
         \x20   #[repr(C, align(64))]\n\
         \x20   struct Aligned<T>(T);\n\
         \x20   #[unsafe(link_section = \".model\")]\n\
         \x20   static IMAGE: Aligned<[u8; {bytes}]> = Aligned(*include_bytes!({path:?}));\n\
         \x20   Some(&IMAGE.0)\n\
         }};\n"
    ))
}
