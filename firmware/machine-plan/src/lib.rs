//! Build script of a machine. Reads network and size from the environment, plans the arena and
//! finds its place in the machine's memory. Hands the results to the linker and the program.
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `HRVIT_VARIANT` | `nano` | one of [`hrvit_format::VARIANTS`] |
//! | `HRVIT_CLASSES` | `11` | classes of the model |
//! | `HRVIT_SIZE` | `192x256` | height x width of a frame |
//! | `HRVIT_HEAD` | `segformer` | `segformer` or `classifier` |
//! | `HRVIT_ABLATION` | | techniques that the network goes without (feature `ablations`), as a spec file names them: `no_des,between=3x3` |
//! | `HRVIT_PRECISION` | that of an embedded model; or `fp16` with feature `fp16`, `int16x8` with feature `int16x8`, else `int8` | `int8`, `int16x8`, `fp16`, or a model image: its own parts |
//! | `HRVIT_FRAMES` | `1` | frames that `profile` measures |
//! | `HRVIT_MODEL` | | the model image to link in (feature `embedded-model`) |

mod ablation;
mod environment;
mod precision;
mod script;
mod streaming;
mod target;

use std::{env, fs, path::PathBuf};

use hrvit_core::{Plan, WeightPlacement};
use hrvit_format::Head;

pub use target::Target;

/// Memory that an arena may lie in.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Its region in the machine's linker script.
    pub region: &'static str,
    /// Bytes of it that arena and label map may take.
    pub bytes: usize,
}

/// Facts that a build script knows of its machine.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Name, as in the log.
    pub name: &'static str,
    /// Memories that the arena may lie in, the fastest first.
    pub arena: &'static [Memory],
    /// Region of an embedded model image.
    pub model: &'static str,
    /// Linker scripts of the crates below it, in order (`link.x` of cortex-m-rt, say).
    pub scripts: &'static [&'static str],
}

/// Bytes that a program of the machine needs, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Bytes of the arena.
    pub arena: usize,
    /// Bytes of the label map; 0 with a classifier.
    pub labels: usize,
    /// Bytes of the buffer for the image's head; 0 where weights are not streamed.
    pub head: usize,
    /// Index in [`Machine::arena`] of the memory that arena and head lie in.
    pub memory: usize,
    /// Index of the label map's memory: another one only where no memory holds all.
    pub labels_memory: usize,
}

/// Runs the build script of `machine`. `memory.x`, the machine's memory map, lies beside
/// `build.rs`.
///
/// Writes `plan.rs` (constants), `memory.x` and `sections.x` (`.model` and `.arena`) into
/// `OUT_DIR`. A network that does not fit is an error of the build.
pub fn build(machine: &Machine) {
    build_for(machine, "memory.x");
}

/// [`build`] with the memory map of another file beside `build.rs`.
pub fn build_for(machine: &Machine, memory: &str) {
    if let Err(lines) = try_build(machine, memory) {
        for line in lines {
            println!("cargo::error={line}");
        }
    }
}

fn try_build(machine: &Machine, memory: &str) -> Result<(), Vec<String>> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(vec!["OUT_DIR is not set: run by cargo only".to_owned()])?);
    let target = Target::from_environment().map_err(|line| vec![line])?;
    let placed = place(machine, &target, environment::feature("STREAMED"))?;
    let embedded = script::embedded().map_err(|line| vec![line])?;
    let frames = target::frames().map_err(|line| vec![line])?;
    let failed = |error: std::io::Error| vec![format!("writing to {}: {error}", out.display())];
    fs::write(out.join("plan.rs"), script::constants(machine, &placed, frames) + &embedded).map_err(failed)?;
    fs::write(out.join("sections.x"), script::sections(machine, &placed)).map_err(failed)?;
    fs::copy(memory, out.join("memory.x")).map_err(failed)?;
    println!("cargo::rerun-if-changed={memory}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-search={}", out.display());
    println!("cargo::rustc-link-arg-bins=--nmagic");
    for script in machine.scripts {
        println!("cargo::rustc-link-arg-bins=-T{script}");
    }
    println!("cargo::rustc-link-arg-bins=-Tsections.x");
    Ok(())
}

/// Plans `target` and finds the first memory of `machine` that holds arena, label map and (if
/// weights are `streamed`) the image's head. Else takes the first that holds all but the label map,
/// and another memory for the map. The error names the room that is missing.
pub fn place(machine: &Machine, target: &Target, streamed: bool) -> Result<Placed, Vec<String>> {
    let Target { network, size, wide, .. } = target;
    let (weights, head) = match streamed {
        true => (WeightPlacement::Streamed { largest_group: streaming::largest_group(network, *wide) }, streaming::head_bytes(network)),
        false => (WeightPlacement::Mapped, 0),
    };
    let workers = if environment::feature("TWO_CORES") { 2 } else { 1 };
    let plan = Plan::builder(network, *size).precisions(*wide).weights(weights).workers(workers).build().map_err(|error| vec![format!("{target}: {error}")])?;
    let arena = plan.arena_bytes();
    let labels = if network.head == Head::Segformer { size.pixels() } else { 0 };
    // Each static has a flag behind its bytes and begins at a multiple of 64.
    let room = |parts: &[usize]| parts.iter().map(|bytes| (bytes + 1).next_multiple_of(64)).sum::<usize>();
    let holding = |bytes: usize, but: Option<usize>| (0..).zip(machine.arena).position(|(at, memory)| Some(at) != but && bytes <= memory.bytes);
    let together = holding(room(&[arena, labels, head]), None).map(|memory| (memory, memory));
    let apart = || holding(room(&[arena, head]), None).and_then(|memory| Some((memory, holding(room(&[labels]), Some(memory))?)));
    match together.or_else(apart) {
        Some((memory, labels_memory)) => Ok(Placed { arena, labels, head, memory, labels_memory }),
        None => Err(target::too_large(machine, target, &[("arena", arena), ("labels", labels), ("image head", head)])),
    }
}

#[cfg(test)]
mod tests {
    use hrvit_format::{Step, WideParts, record::Precision};

    use super::*;

    const MACHINE: Machine =
        Machine { name: "test", arena: &[Memory { region: "FAST", bytes: 300 << 10 }, Memory { region: "LARGE", bytes: 4 << 20 }], model: "ROM", scripts: &[] };

    fn target(variant: &str, size: &str) -> Target {
        Target::parse(variant, "11", size, "segformer").unwrap()
    }

    #[test]
    fn what_fits_lies_in_the_first_memory() {
        assert_eq!(place(&MACHINE, &target("nano", "192x256"), false).unwrap().memory, 0);
    }

    #[test]
    fn keys_of_their_own_take_more_and_no_shortcut_takes_no_more() {
        let arena = |names| {
            let mut target = target("nano", "192x256");
            target.network.spec.ablation = ablation::parse(names).unwrap();
            place(&MACHINE, &target, false).unwrap().arena
        };
        assert!(arena("own_keys") > arena("") && arena("no_des") <= arena(""), "{} {} {}", arena("own_keys"), arena(""), arena("no_des"));
    }

    #[test]
    fn what_does_not_lies_in_the_next() {
        let placed = place(&MACHINE, &target("b1", "512x512"), false).unwrap();
        assert_eq!((placed.memory, placed.labels), (1, 512 * 512));
    }

    #[test]
    fn labels_have_a_memory_of_their_own_where_none_holds_all() {
        let arena = &[Memory { region: "LOWER", bytes: 1136 << 10 }, Memory { region: "UPPER", bytes: 2080 << 10 }];
        let machine = Machine { arena, ..MACHINE };
        let placed = |size| place(&machine, &target("b1", size), false).map(|placed| (placed.memory, placed.labels_memory));
        assert_eq!(placed("224x224").unwrap(), (0, 0));
        assert_eq!(placed("512x512").unwrap(), (1, 0));
        assert!(placed("640x640").is_err());
    }

    #[test]
    fn what_fits_nowhere_is_named_with_needed_and_available_bytes() {
        let lines = place(&MACHINE, &target("b3", "1024x1024"), false).unwrap_err().join("\n");
        for part in ["b3", "1024x1024", "test", "4194304", "HRVIT_SIZE"] {
            assert!(lines.contains(part), "{part} is missing in: {lines}");
        }
    }

    #[test]
    fn streamed_weights_take_a_buffer_and_a_head() {
        let [mapped, streamed] = [false, true].map(|streamed| place(&MACHINE, &target("b1", "224x224"), streamed).unwrap());
        assert_eq!((mapped.head, mapped.labels), (0, streamed.labels));
        assert!(streamed.arena > mapped.arena && streamed.head > 32 << 10);
    }

    #[test]
    fn half_precision_takes_two_maps_for_each_branch() {
        let [int8, fp16, int16x8] = [WideParts::NONE, WideParts::ALL, WideParts::ALL_INT16X8]
            .map(|wide| place(&MACHINE, &Target { wide, ..target("nano", "192x256") }, false).unwrap());
        assert!(fp16.arena > int8.arena * 3 / 2, "{} {}", fp16.arena, int8.arena);
        assert!(int16x8.arena > int8.arena * 3 / 2 && int16x8.arena <= fp16.arena, "{} {}", int16x8.arena, fp16.arena);
        assert_eq!((int8.memory, fp16.memory), (0, 1), "no longer fits the first memory");
        assert_eq!(int8.labels, fp16.labels);
    }

    #[test]
    fn parts_without_an_entry_need_no_second_map() {
        let mut half = WideParts::NONE;
        half.insert(&target("nano", "192x256").network, Step::Stem, Precision::Fp16);
        let arena = |wide| place(&MACHINE, &Target { wide, ..target("nano", "192x256") }, false).unwrap().arena;
        assert_eq!(arena(half), arena(WideParts::NONE));
    }

    #[test]
    fn streamed_half_precision_has_a_buffer_for_weights_of_two_bytes() {
        let buffer = |wide| {
            let [mapped, streamed] = [false, true].map(|streamed| place(&MACHINE, &Target { wide, ..target("nano", "64x64") }, streamed).unwrap().arena);
            streamed - mapped
        };
        assert!(buffer(WideParts::ALL) > buffer(WideParts::NONE));
    }

    #[test]
    fn half_precision_that_fits_nowhere_names_8_bits_as_a_way_out() {
        let lines = place(&MACHINE, &Target { wide: WideParts::ALL, ..target("b1", "640x640") }, false).unwrap_err().join("\n");
        assert!(lines.contains("half precision") && lines.contains("HRVIT_PRECISION=int8"), "{lines}");
    }
}
