//! Abilities of a target's firmware: precisions that it has code for, and an arena that its memory
//! holds.

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use hrvit_core::{Plan, Precision};
use hrvit_format::{Head, Network, Parts, Size, WideParts};

use crate::output::grouped;

/// Target that an image is to run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// Cortex-M55 (firmware/qemu-m55)
    M55,
    /// Cortex-M7 (firmware/qemu-m7)
    M7,
    /// Cortex-M33 (firmware/rp2350)
    M33,
    /// 64-bit ARM without an operating system (firmware/qemu-a64)
    A64,
    /// A machine with an operating system, by the library or this command
    Host,
}

/// Abilities of programs for a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Name of the target.
    pub name: &'static str,
    /// Package in `firmware/`; none for a host.
    pub package: Option<&'static str>,
    /// Precisions that the package has a feature for, 8 bits first.
    pub precisions: &'static [Precision],
    /// Bytes of its largest memory for arena and label map; none where it is the operating
    /// system's.
    pub memory: Option<usize>,
}

/// Every precision.
const ALL: &[Precision] = &[Precision::Int8, Precision::Int16x8, Precision::Fp16];

impl Target {
    /// Abilities of its programs.
    pub fn abilities(self) -> Abilities {
        let of = |name, package, memory| Abilities { name, package: Some(package), precisions: ALL, memory: Some(memory) };
        match self {
            Self::M55 => of("m55", "qemu-m55", 62 << 20),
            Self::M7 => of("m7", "qemu-m7", 3 << 20),
            Self::M33 => of("m33", "rp2350", 448 << 10),
            Self::A64 => of("a64", "qemu-a64", 126 << 20),
            Self::Host => Abilities { name: "host", package: None, precisions: ALL, memory: None },
        }
    }
}

/// Chooses where an image is to run.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct TargetArgs {
    /// Target that the image is to run on. A precision that its firmware has no code or no memory
    /// for is refused. auto offers only precisions that it can run
    #[arg(long, value_name = "TARGET", value_enum)]
    target: Option<Target>,
    /// The largest arena in bytes; with auto parts that need more stay in 8 bits, other precisions
    /// that need more are refused
    #[arg(long, value_name = "BYTES")]
    max_arena: Option<usize>,
}

impl TargetArgs {
    /// The limits for frames of `size`.
    pub fn limits(&self, network: &Network, size: Size) -> Limits {
        let target = self.target.map(Target::abilities);
        let labels = if network.head == Head::Segformer { size.pixels() } else { 0 };
        Limits { target, labels, max_arena: self.max_arena }
    }
}

/// Limits of an image.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    target: Option<Abilities>,
    /// Bytes of the label map, which lies beside the arena.
    labels: usize,
    max_arena: Option<usize>,
}

impl Limits {
    /// Whether the target has code for it; every precision where none was named.
    pub fn has(&self, precision: Precision) -> bool {
        self.target.is_none_or(|target| target.precisions.contains(&precision))
    }

    /// The largest arena: what was asked for, and what the target's memory holds beside the label
    /// map.
    pub fn arena_bytes(&self) -> Option<usize> {
        /// As firmware places them. Arena, label map and the head of a streamed image begin at
        /// multiples of 64 and have a flag behind their bytes.
        const ALIGN: usize = 64;
        let beside = (self.labels + 1).next_multiple_of(ALIGN) + 2 * ALIGN;
        let memory = self.target.and_then(|target| target.memory).map(|bytes| bytes.saturating_sub(beside));
        self.max_arena.into_iter().chain(memory).min()
    }

    /// Refuses `--precision NAME`, which has `wide` in more than 8 bits, where the target cannot
    /// run it.
    ///
    /// # Errors
    /// If the target has no code for it or the arena is too large; says what the target can run.
    pub fn check(&self, name: &str, wide: WideParts, network: &Network, size: Size) -> Result<()> {
        let lacks = [Precision::Fp16, Precision::Int16x8].into_iter().find(|precision| wide.of(*precision) != Parts::NONE && !self.has(*precision));
        let whose = self.target.map_or_else(String::new, |target| format!("target {}: ", target.name));
        let can = || self.can(network, size);
        if let Some(lacks) = lacks {
            bail!("{whose}its firmware has no code for --precision {name}, which needs {}; {}", lacks.name(), can()?);
        }
        let needed = arena_bytes(network, size, wide)?;
        let Some(most) = self.arena_bytes().filter(|most| needed > *most) else { return Ok(()) };
        let (needed, most) = (grouped(needed as u64), grouped(most as u64));
        bail!("{whose}--precision {name} at {size} needs an arena of {needed} bytes, the limit is {most}; {}", can()?);
    }

    /// The precisions of whole networks that the target can run, in words.
    fn can(&self, network: &Network, size: Size) -> Result<String> {
        let mut runs = Vec::new();
        for (precision, wide) in [(Precision::Int8, WideParts::NONE), (Precision::Int16x8, WideParts::ALL_INT16X8), (Precision::Fp16, WideParts::ALL)] {
            let needed = arena_bytes(network, size, wide)?;
            if self.has(precision) && self.arena_bytes().is_none_or(|most| needed <= most) {
                runs.push(format!("{} (arena {} bytes)", precision.name(), grouped(needed as u64)));
            }
        }
        if runs.is_empty() {
            return Ok("it can run none at this size: choose a smaller --size or --variant".to_owned());
        }
        let auto = if runs.len() == 1 { "; --precision auto keeps to the limits" } else { ", and what --precision auto makes of them" };
        Ok(format!("it can run {}{auto}", runs.join(", ")))
    }
}

/// Bytes of the smallest arena with one worker, weights mapped.
fn arena_bytes(network: &Network, size: Size, wide: WideParts) -> Result<usize> {
    Ok(Plan::builder(network, size).precisions(wide).build()?.arena_bytes())
}

/// The parts of these steps of `network`, by their positions in canonical order, in half precision.
pub fn half(network: &Network, steps: &[usize]) -> WideParts {
    let mut wide = WideParts::NONE;
    network.steps().enumerate().filter(|(at, _)| steps.contains(at)).for_each(|(_, step)| wide.insert(network, step, Precision::Fp16));
    wide
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use hrvit_format::Spec;

    use super::*;

    fn nano() -> Network {
        Network { spec: Spec::variant("nano").unwrap(), head: Head::Segformer, classes: 11 }
    }

    const SIZE: Size = Size { height: 192, width: 256 };

    fn of(target: Option<Target>, max_arena: Option<usize>) -> Limits {
        TargetArgs { target, max_arena }.limits(&nano(), SIZE)
    }

    /// An arena as errors say it; checks of debug builds take some bytes.
    fn grouped_arena(wide: WideParts) -> String {
        grouped(arena_bytes(&nano(), SIZE, wide).unwrap() as u64)
    }

    /// The features and the largest memory of every package are those of its manifest and its build
    /// script.
    #[test]
    fn abilities_are_those_of_the_firmware() {
        for target in Target::value_variants() {
            let Abilities { package: Some(package), precisions, memory, .. } = target.abilities() else { continue };
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../firmware").join(package);
            let manifest: toml::Table = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap().parse().unwrap();
            let features = manifest["features"].as_table().unwrap();
            let built = ALL.iter().filter(|precision| **precision == Precision::Int8 || features.contains_key(precision.name()));
            assert!(built.eq(precisions), "{package}");
            let script = std::fs::read_to_string(folder.join("build.rs")).unwrap();
            let bytes = script.split("bytes: ").skip(1).map(|rest| {
                let (value, shift) = rest.split_once(" << ").unwrap();
                let digits: String = shift.chars().take_while(char::is_ascii_digit).collect();
                value.parse::<usize>().unwrap() << digits.parse::<u32>().unwrap()
            });
            assert_eq!(bytes.max(), memory, "{package}");
        }
    }

    #[test]
    fn what_the_memory_does_not_hold_is_refused_with_what_it_does() {
        let error = of(Some(Target::M33), None).check("fp16", WideParts::ALL, &nano(), SIZE).unwrap_err().to_string();
        let [int8, fp16] = [WideParts::NONE, WideParts::ALL].map(grouped_arena);
        let needs = format!("target m33: --precision fp16 at 192x256 needs an arena of {fp16} bytes, the limit is 409,408");
        assert_eq!(error, format!("{needs}; it can run int8 (arena {int8} bytes); --precision auto keeps to the limits"));
        of(Some(Target::M33), None).check("int8", WideParts::NONE, &nano(), SIZE).unwrap();
        for target in [Target::M55, Target::M7, Target::A64, Target::Host] {
            of(Some(target), None).check("fp16", WideParts::ALL, &nano(), SIZE).unwrap();
        }
        let error = of(None, Some(200_000)).check("int8", WideParts::NONE, &nano(), SIZE).unwrap_err().to_string();
        assert!(error.starts_with("--precision int8 at 192x256 needs") && error.ends_with("choose a smaller --size or --variant"), "{error}");
    }

    #[test]
    fn what_the_firmware_has_no_code_for_is_refused_with_what_it_has() {
        let abilities = Abilities { precisions: &[Precision::Int8, Precision::Fp16], ..Target::M7.abilities() };
        let limits = Limits { target: Some(abilities), ..of(None, None) };
        assert!(limits.has(Precision::Fp16) && !limits.has(Precision::Int16x8));
        let error = limits.check("int16x8", WideParts::ALL_INT16X8, &nano(), SIZE).unwrap_err().to_string();
        assert!(error.starts_with("target m7: its firmware has no code for --precision int16x8, which needs int16x8; it can run int8 (arena"), "{error}");
        assert!(error.contains(&format!(", fp16 (arena {} bytes), and what", grouped_arena(WideParts::ALL))), "{error}");
        limits.check("fp16", WideParts::ALL, &nano(), SIZE).unwrap();
    }

    #[test]
    fn parts_that_need_no_more_than_8_bits_fit_where_those_do() {
        let stem = half(&nano(), &[0]);
        assert!(stem != WideParts::NONE && half(&nano(), &[]) == WideParts::NONE);
        of(Some(Target::M33), arena_bytes(&nano(), SIZE, WideParts::NONE).ok()).check("mixed", stem, &nano(), SIZE).unwrap();
        assert_eq!(of(Some(Target::M7), Some(5 << 20)).arena_bytes(), Some((3 << 20) - 49_216 - 128), "the smaller limit counts");
        assert_eq!(of(Some(Target::Host), None).arena_bytes(), None);
    }
}
