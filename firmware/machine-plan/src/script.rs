//! What the plan becomes: constants for the program, sections for the linker, the embedded image.

use std::{env, path::Path};

use crate::{Machine, Placed, target::variable};

/// `plan.rs`.
pub fn constants(machine: &Machine, placed: &Placed, frames: u32) -> String {
    let region = machine.arena.get(placed.memory).map_or("", |memory| memory.region);
    format!(
        "/// Bytes of the arena.\npub const ARENA_BYTES: usize = {};\n\
         /// Bytes of the label map.\npub const LABEL_BYTES: usize = {};\n\
         /// Bytes of the buffer for the head of a streamed image.\npub const HEAD_BYTES: usize = {};\n\
         /// Frames that `profile` measures.\npub const FRAMES: u32 = {frames};\n\
         /// Memory that the arena lies in.\npub const ARENA_MEMORY: &str = \"{region}\";\n",
        placed.arena, placed.labels, placed.head
    )
}

/// `sections.x`: `.model` and `.arena` in their memories. The arena is not loaded; the program clears it between `__sarena` and `__earena`.
pub fn sections(machine: &Machine, placed: &Placed) -> String {
    let region = machine.arena.get(placed.memory).map_or("", |memory| memory.region);
    format!(
        "SECTIONS {{\n\
         \x20 .model : ALIGN(64) {{ KEEP(*(.model .model.*)); . = ALIGN(64); }} > {}\n\
         \x20 .arena (NOLOAD) : ALIGN(64) {{ __sarena = .; *(.arena .arena.*); . = ALIGN(64); __earena = .; }} > {region}\n\
         }} INSERT AFTER .got;\n",
        machine.model
    )
}

/// Whether the package is built with that feature (upper case, underscores).
pub fn feature(name: &str) -> bool {
    env::var_os(format!("CARGO_FEATURE_{name}")).is_some()
}

/// With feature `embedded-model`: makes the image named by `HRVIT_MODEL` known to the program as `HRVIT_MODEL_FILE`.
pub fn embed() -> Result<(), String> {
    if !feature("EMBEDDED_MODEL") {
        return Ok(());
    }
    let name = variable("HRVIT_MODEL", "");
    if name.is_empty() {
        return Err("feature embedded-model: HRVIT_MODEL must name the model image to link in".to_owned());
    }
    let path = Path::new(&name).canonicalize().map_err(|error| format!("HRVIT_MODEL={name}: {error}; give an absolute path"))?;
    println!("cargo::rustc-env=HRVIT_MODEL_FILE={}", path.display());
    println!("cargo::rerun-if-changed={}", path.display());
    Ok(())
}
