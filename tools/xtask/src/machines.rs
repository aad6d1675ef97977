//! The emulated machines and the boards that `firmware/` has programs for.

/// A machine that QEMU emulates.
#[derive(Debug)]
pub struct Machine {
    /// What people call it.
    pub name: &'static str,
    /// Its package in `firmware/`.
    pub package: &'static str,
    /// Compiler target.
    pub target: &'static str,
    /// QEMU and its arguments.
    pub emulator: &'static [&'static str],
    /// Where the program expects the model image.
    pub image_at: u32,
    /// Nanoseconds per instruction as a power of two, with which the machine's timers show every instruction.
    pub icount: u8,
    /// Whether it is of the M class, where the runtime's own code has a budget.
    pub microcontroller: bool,
}

/// Every emulated machine.
pub const MACHINES: [Machine; 1] = [Machine {
    name: "m7",
    package: "qemu-m7",
    target: "thumbv7em-none-eabihf",
    emulator: &["qemu-system-arm", "-M", "mps2-an500"],
    image_at: 0x6000_0000,
    icount: 6,
    microcontroller: true,
}];

/// A board: its package in `firmware/` and the compiler target.
pub const BOARDS: [(&str, &str); 0] = [];

/// The machine of that name.
pub fn machine(name: &str) -> Option<&'static Machine> {
    MACHINES.iter().find(|machine| machine.name == name)
}
