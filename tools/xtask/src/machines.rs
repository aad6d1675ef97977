//! The emulated machines and the boards that `firmware/` has programs for.

use std::path::Path;

use anyhow::{Context, Result};

/// A machine that QEMU emulates.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Its name for people.
    pub name: &'static str,
    /// Its package in `firmware/`, in a folder of the same name.
    pub package: &'static str,
    /// Compiler target.
    pub target: &'static str,
    /// QEMU and its arguments.
    pub emulator: &'static [&'static str],
    /// Address at which the program expects the model image.
    pub image_at: u32,
    /// Address at which it expects a second one, if it has two slots.
    pub second_image_at: Option<u32>,
    /// Address of the memory in which a camera leaves frames of NV12, 1280x720, if it has one.
    pub camera_at: Option<u32>,
    /// How its kernels read weights: `rows`, `k4` or `k8`.
    pub layout: &'static str,
    /// Instruction sets whose kernels its processor must run.
    pub isas: &'static [&'static str],
    /// Nanoseconds per instruction as a power of two, with which the machine's clock shows every
    /// instruction.
    pub icount: u8,
    /// Whether it is of the M class, where the runtime's own code has a budget.
    pub microcontroller: bool,
    /// The most bytes of stack that one frame may take.
    pub stack_bound: u64,
    /// Features that its programs are built with, whatever is planned.
    pub features: &'static [&'static str],
}

/// Every emulated machine.
pub const MACHINES: [Machine; 4] = [
    Machine {
        name: "m55",
        package: "qemu-m55",
        target: "thumbv8m.main-none-eabihf",
        emulator: &["qemu-system-arm", "-M", "mps3-an547"],
        image_at: 0x6000_0000,
        second_image_at: Some(0x6200_0000),
        camera_at: Some(0x67e0_0000),
        layout: "rows",
        isas: &["mve"],
        icount: 5,
        microcontroller: true,
        stack_bound: 8 << 10,
        features: &[],
    },
    Machine {
        name: "m7",
        package: "qemu-m7",
        target: "thumbv7em-none-eabihf",
        emulator: &["qemu-system-arm", "-M", "mps2-an500"],
        image_at: 0x6000_0000,
        second_image_at: None,
        camera_at: Some(0x60e0_0000),
        layout: "rows",
        isas: &["dsp"],
        icount: 6,
        microcontroller: true,
        stack_bound: 8 << 10,
        features: &[],
    },
    Machine {
        name: "m33",
        package: "qemu-m33",
        target: "thumbv8m.main-none-eabihf",
        emulator: &["qemu-system-arm", "-M", "mps2-an505"],
        image_at: 0x8000_0000,
        second_image_at: None,
        camera_at: Some(0x80e0_0000),
        layout: "rows",
        isas: &["dsp"],
        icount: 6,
        microcontroller: true,
        stack_bound: 8 << 10,
        features: &[],
    },
    Machine {
        name: "a64",
        package: "qemu-a64",
        target: "aarch64-unknown-none",
        emulator: &["qemu-system-aarch64", "-M", "virt", "-cpu", "max", "-m", "512M"],
        image_at: 0x5000_0000,
        second_image_at: Some(0x5800_0000),
        camera_at: Some(0x4fe0_0000),
        layout: "k8",
        isas: &["neon", "neon_dotprod", "neon_i8mm"],
        icount: 0,
        microcontroller: false,
        stack_bound: 256 << 10,
        features: &[],
    },
];

/// A Raspberry Pi 3, whose processor others have too: it joins the comparison of 8-bit steps.
pub const PI: Machine = Machine {
    name: "pi",
    package: "raspi3",
    target: "aarch64-unknown-none",
    emulator: &["qemu-system-aarch64", "-M", "raspi3b"],
    image_at: 0x1000_0000,
    second_image_at: Some(0x1500_0000),
    camera_at: None,
    layout: "rows",
    isas: &["neon"],
    icount: 0,
    microcontroller: false,
    stack_bound: 256 << 10,
    features: &[],
};

/// The brother of m33 with a second core. Both are given what those of an RP2350 have: float unit
/// and DSP instructions.
pub const TWO_M33: Machine = Machine {
    name: "m33x2",
    emulator: &["qemu-system-arm", "-M", "mps2-an521", "-global", "sse-200.CPU0_FPU=on", "-global", "sse-200.CPU0_DSP=on"],
    features: &["two-cores"],
    ..MACHINES[2]
};

/// A board: every other package of `firmware/` that says what it is compiled for.
#[derive(Debug)]
pub struct Board {
    /// Its package in `firmware/`, in a folder of the same name.
    pub package: String,
    /// Compiler target.
    pub target: String,
}

/// The boards, in alphabetical order.
///
/// # Errors
/// If a folder's `.cargo/config.toml` cannot be read or names no target.
pub fn boards(root: &Path) -> Result<Vec<Board>> {
    let mut boards = Vec::new();
    let folder = root.join("firmware");
    for entry in std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
        let package = entry?.file_name().to_string_lossy().into_owned();
        let config = folder.join(&package).join(".cargo/config.toml");
        if !config.is_file() || MACHINES.iter().chain([&PI]).any(|machine| machine.package == package) {
            continue;
        }
        let text = std::fs::read_to_string(&config).with_context(|| format!("reading {}", config.display()))?;
        let value: toml::Table = text.parse().with_context(|| format!("reading {}", config.display()))?;
        let target = value.get("build").and_then(|build| build.get("target")).and_then(toml::Value::as_str);
        let target = target.with_context(|| format!("{} has no build.target", config.display()))?.to_owned();
        boards.push(Board { package, target });
    }
    boards.sort_by(|a, b| a.package.cmp(&b.package));
    Ok(boards)
}

/// The machine of that name.
pub fn machine(name: &str) -> Option<&'static Machine> {
    MACHINES.iter().chain([&PI]).find(|machine| machine.name == name)
}
