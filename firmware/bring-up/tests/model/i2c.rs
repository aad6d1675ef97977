//! I2C2 with the regulator that boards before revision C01 have on it: a TPS62864, which other
//! boards lack.

use bring_up::pac;

use super::rules::{Breach, Rule};

/// Source of the board's core voltage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regulator {
    /// From revision C01 on: high while PF4 is high.
    Pin,
    /// Before: by its register 1, in steps of 5 mV from 400 mV; PF4 is nobody's.
    Bus,
}

/// Its address, and the register of its voltage.
const ADDRESS: u32 = 0x49;
const VOLTAGE: u8 = 1;
/// 900 mV, which ST's own programs ask for.
const HIGH: u8 = 0x64;
/// The most that a transfer at standard speed may be: 100 kHz.
const HERTZ: u64 = 100_000;

const TXIS: u32 = 1 << 1;
const NACKF: u32 = 1 << 4;
const STOPF: u32 = 1 << 5;
const START: u32 = 1 << 13;
const AUTOEND: u32 = 1 << 25;

fn at<T>(pointer: *mut T) -> u32 {
    pointer.addr() as u32
}

/// The controller and the only device that matters.
#[derive(Debug, Default)]
pub struct Bus {
    enabled: bool,
    timing: u32,
    status: u32,
    expected: usize,
    bytes: Vec<u8>,
    /// The regulator was told to give the high voltage.
    pub raised: bool,
}

impl Bus {
    /// Whether `address` is one of its registers.
    pub fn has(&self, address: u32) -> bool {
        let base = pac::I2C2.as_ptr().addr() as u32;
        (base..base + 0x400).contains(&address)
    }

    /// Value of a read of `address`.
    pub fn load(&self, address: u32) -> u32 {
        if address == at(pac::I2C2.isr().as_ptr()) { self.status | 1 } else { 0 }
    }

    /// Takes a write; the controller's clock is `hertz`, `connected` says whether its pins are its
    /// own.
    pub fn store(&mut self, address: u32, value: u32, regulator: Regulator, hertz: u64, connected: bool) -> Vec<Breach> {
        let mut breaches = Vec::new();
        let mut breach = |what: String| breaches.push(Breach { rule: Rule::RegulatorBus, what });
        if address == at(pac::I2C2.cr1().as_ptr()) {
            self.enabled = value & 1 == 1;
            self.status = 0;
        } else if address == at(pac::I2C2.timingr().as_ptr()) {
            if self.enabled {
                breach("timing changed while the controller is enabled".to_owned());
            }
            self.timing = value;
        } else if address == at(pac::I2C2.cr2().as_ptr()) && value & START != 0 {
            let cycles = ((self.timing & 0xff) + (self.timing >> 8 & 0xff) + 2) * ((self.timing >> 28) + 1);
            if !self.enabled || !connected {
                breach(format!("a start: enabled {}, pins connected {connected}", self.enabled));
            }
            if hertz / u64::from(cycles) > HERTZ * 9 / 8 {
                breach(format!("{} Hz", hertz / u64::from(cycles)));
            }
            if value & AUTOEND == 0 {
                breach("nothing ends the transfer".to_owned());
            }
            let answers = regulator == Regulator::Bus && value >> 1 & 0x7f == ADDRESS && value >> 10 & 1 == 0;
            (self.expected, self.bytes) = ((value >> 16 & 0xff) as usize, Vec::new());
            self.status = if answers { TXIS } else { NACKF | STOPF };
        } else if address == at(pac::I2C2.txdr().as_ptr()) {
            if self.status & TXIS == 0 {
                breach(format!("a byte that nobody waits for, {value:x}"));
                return breaches;
            }
            self.bytes.push(value as u8);
            if self.bytes.len() == self.expected {
                self.status = STOPF;
                let [VOLTAGE, HIGH] = self.bytes[..] else {
                    breach(format!("the regulator is told {:x?}, expected register 1, 900 mV", self.bytes));
                    return breaches;
                };
                self.raised = true;
            }
        }
        breaches
    }
}
