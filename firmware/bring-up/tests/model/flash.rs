//! The octal flash MX66UW1G45G: three modes, a reset for each, volatile configuration.

use super::rules::{Breach, Rule};

/// How the flash listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One line.
    Spi,
    /// Eight lines, one edge.
    Octal,
    /// Eight lines, both edges.
    OctalDouble,
}

/// A command as it comes over the lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    pub instruction: u32,
    /// Lines and width of the instruction in bits, whether at both edges.
    pub lines: u32,
    pub width: u32,
    pub double: bool,
    /// Address and its lines and bits.
    pub address: Option<(u32, u32, u32)>,
    pub dummy: u32,
    /// Lines of the data.
    pub data_lines: u32,
    /// Bytes that are written.
    pub written: Vec<u8>,
}

/// Reset recovery: read of the array after a reset while idle.
const RECOVERY_US: u64 = 40;
/// Bytes of the identification (embassy examples/stm32n6-flashboot/fsbl/src/main.rs, feature dk).
pub const ID: [u8; 3] = [0xc2, 0x86, 0x1a];

/// The chip.
#[derive(Debug)]
pub struct Flash {
    pub mode: Mode,
    reset_enabled: bool,
    write_enabled: bool,
    recovered_at: u64,
    pub identified: bool,
    pub was_reset: bool,
    pub breaches: Vec<Breach>,
}

impl Flash {
    pub fn new(mode: Mode) -> Self {
        Self { mode, reset_enabled: false, write_enabled: false, recovered_at: 0, identified: false, was_reset: false, breaches: Vec::new() }
    }

    fn breach(&mut self, rule: Rule, what: String) {
        self.breaches.push(Breach { rule, what });
    }

    /// Whether its mode is that of `command`.
    pub fn listens(&self, command: &Command) -> bool {
        let expected = match self.mode {
            Mode::Spi => (1, 8, false),
            Mode::Octal => (8, 16, false),
            Mode::OctalDouble => (8, 16, true),
        };
        (command.lines, command.width, command.double) == expected
    }

    /// The first byte of the instruction, where the second is its inverse as eight lines ask for.
    fn code(&self, command: &Command) -> Option<u8> {
        let [high, low] = (command.instruction as u16).to_be_bytes();
        match self.mode {
            Mode::Spi => Some(low),
            _ if high == !low => Some(high),
            _ => None,
        }
    }

    /// Takes a command at `now` microseconds; returns what it answers to a read of `wanted` bytes.
    pub fn take(&mut self, now: u64, command: &Command, wanted: usize) -> Vec<u8> {
        let reset = matches!(command.instruction, 0x66 | 0x99 | 0x6699 | 0x9966);
        if now < self.recovered_at {
            self.breach(Rule::FlashRecovery, format!("{command:x?} {} us after a reset", RECOVERY_US - (self.recovered_at - now)));
        }
        let code = if self.listens(command) { self.code(command) } else { None };
        let Some(code) = code else {
            if !reset {
                self.breach(Rule::FlashMode, format!("{command:x?} while the flash is in mode {:?}", self.mode));
            }
            self.reset_enabled = false;
            return vec![0xff; wanted];
        };
        let enabled = std::mem::replace(&mut self.reset_enabled, code == 0x66);
        let octal = self.mode != Mode::Spi;
        match code {
            0x66 => {}
            0x99 if enabled => {
                (self.mode, self.write_enabled, self.was_reset) = (Mode::Spi, false, true);
                self.recovered_at = now + RECOVERY_US;
            }
            0x06 => self.write_enabled = true,
            0x05 => return self.register(command, octal, 0, wanted),
            0x9f if !octal => {
                self.identified = command.address.is_none() && command.data_lines == 1;
                return ID.into_iter().cycle().take(wanted).collect();
            }
            0x71 if octal => return self.register(command, octal, if self.mode == Mode::Octal { 1 } else { 2 }, wanted),
            0x72 => self.configure(command),
            other => self.breach(Rule::FlashMode, format!("command {other:02x} is none that the start-up needs")),
        }
        vec![0; wanted]
    }

    /// A register's value: on eight lines behind an address and four dummy cycles.
    fn register(&mut self, command: &Command, octal: bool, value: u8, wanted: usize) -> Vec<u8> {
        let fine = if octal {
            command.address == Some((0, 8, 32)) && command.dummy == 4 && command.data_lines == 8
        } else {
            command.address.is_none() && command.data_lines == 1
        };
        if !fine {
            self.breach(Rule::FlashMode, format!("register read as {command:x?}"));
        }
        vec![value; wanted]
    }

    fn configure(&mut self, command: &Command) {
        if !self.write_enabled {
            return self.breach(Rule::FlashMode, "configuration register 2 written without write enable".to_owned());
        }
        self.write_enabled = false;
        match (command.address, command.written.as_slice()) {
            (Some((0, 1, 32)), [0]) => self.mode = Mode::Spi,
            (Some((0, 1, 32)), [1]) => self.mode = Mode::Octal,
            (Some((0, 1, 32)), [2]) => self.mode = Mode::OctalDouble,
            _ => self.breach(Rule::FlashMode, format!("configuration register 2 written with {command:x?}")),
        }
    }

    /// Checks the command that mapped reads are made with, at `hertz`.
    pub fn mapped(&mut self, command: &Command, hertz: u64) {
        if !self.was_reset {
            self.breach(Rule::FlashReset, "mapped without a reset that it understood".to_owned());
        }
        if !self.identified {
            self.breach(Rule::FlashIdentified, "mapped without an identification".to_owned());
        }
        // 20 dummy cycles are what it wakes up with: configuration register 2 at 0x300 is 0.
        let fine = match self.mode {
            Mode::Spi => self.listens(command) && command.instruction == 0x0c && command.dummy == 8,
            Mode::Octal => self.listens(command) && command.instruction == 0xec13 && command.dummy == 20 && command.data_lines == 8,
            Mode::OctalDouble => self.listens(command) && command.instruction == 0xee11 && command.dummy == 20 && command.data_lines == 8,
        };
        if !fine {
            self.breach(Rule::FlashMode, format!("mapped with {command:x?} while the flash is in mode {:?}", self.mode));
        }
        self.clocked(hertz);
    }

    /// Checks the clock.
    pub fn clocked(&mut self, hertz: u64) {
        if hertz > 50_500_000 {
            self.breach(Rule::FlashClock, format!("{hertz} Hz without the I/O speed option of the fuses"));
        }
    }
}
