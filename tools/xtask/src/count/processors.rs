//! Processors that QEMU emulates and instructions are counted on.

use anyhow::{Context, Result, anyhow};

use crate::machines::{self, Machine};

/// The processors. Every emulated machine of the M class counts once, the 64-bit machine once for
/// each instruction set that AArch64 has kernels for. Sets with loops for cores that execute in
/// order count twice. The emulator has no Cortex-A55: another core with its instructions has its
/// identification, which is what kernels ask.
pub const PROCESSORS: [Processor; 8] = [
    Processor { name: "m55", machine: "m55", emulator: None, layout: "rows" },
    Processor { name: "m7", machine: "m7", emulator: None, layout: "rows" },
    Processor { name: "m33", machine: "m33", emulator: None, layout: "rows" },
    Processor { name: "a53", machine: "a64", emulator: Some(&["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a53", "-m", "512M"]), layout: "rows" },
    Processor { name: "a72", machine: "a64", emulator: Some(&["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", "-m", "512M"]), layout: "rows" },
    Processor {
        name: "a55",
        machine: "a64",
        emulator: Some(&["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a76,midr=0x412fd050", "-m", "512M"]),
        layout: "k4",
    },
    Processor { name: "a76", machine: "a64", emulator: Some(&["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a76", "-m", "512M"]), layout: "k4" },
    Processor { name: "max", machine: "a64", emulator: None, layout: "k8" },
];

/// A Raspberry Pi 3, which is counted beside them: its processor is that of a53, its memory and the
/// way to `main` are others.
pub const PI: Processor = Processor { name: "pi", machine: "pi", emulator: None, layout: "rows" };

/// A processor that QEMU emulates.
#[derive(Debug)]
pub struct Processor {
    /// Its name for people: the machine's name, or that of the processor put into it.
    pub name: &'static str,
    /// The machine whose program runs.
    machine: &'static str,
    /// QEMU and its arguments, where they are not the machine's.
    emulator: Option<&'static [&'static str]>,
    /// How its fastest kernels read weights.
    layout: &'static str,
}

impl Processor {
    /// The machine with this processor.
    ///
    /// # Errors
    /// If there is no such machine.
    pub fn machine(&self) -> Result<Machine> {
        let machine = machines::machine(self.machine).with_context(|| format!("no machine {}", self.machine))?;
        Ok(Machine { name: self.name, layout: self.layout, emulator: self.emulator.unwrap_or(machine.emulator), ..*machine })
    }
}

/// The processor of that name; the error lists all.
///
/// # Errors
/// If there is none.
pub fn parse_processor(name: &str) -> Result<&'static Processor> {
    let names = || PROCESSORS.iter().chain([&PI]).map(|processor| processor.name).collect::<Vec<_>>().join(", ");
    PROCESSORS.iter().chain([&PI]).find(|processor| processor.name == name).ok_or_else(|| anyhow!("no such processor: expected one of {}", names()))
}
