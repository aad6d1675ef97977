//! The flash controller XSPI2: turns writes of its registers into commands.

use std::collections::VecDeque;

use bring_up::pac;

use super::{
    flash::Command,
    rules::{Breach, Rule},
};

/// Its registers and queue.
#[derive(Debug, Default)]
pub struct Controller {
    words: std::collections::BTreeMap<u32, u32>,
    queue: VecDeque<u8>,
    done: bool,
    /// A command went out that does not end.
    stalled: bool,
    /// A command is complete.
    pub starts: bool,
    /// Mapped reads begin.
    pub maps: bool,
}

fn at<T>(pointer: *mut T) -> u32 {
    pointer.addr() as u32
}

impl Controller {
    /// Whether `address` is one of its registers.
    pub fn has(&self, address: u32) -> bool {
        let base = pac::XSPI2.as_ptr().addr() as u32;
        (base..base + 0x400).contains(&address)
    }

    fn word(&self, address: u32) -> u32 {
        self.words.get(&address).copied().unwrap_or(0)
    }

    /// Divider of its clock, less one.
    pub fn prescaler(&self) -> u32 {
        self.word(at(pac::XSPI2.dcr2().as_ptr())) & 0xff
    }

    /// The command that its registers describe.
    pub fn command(&self) -> Command {
        let ccr = self.word(at(pac::XSPI2.ccr().as_ptr()));
        let lines = |field: u32| [0, 1, 2, 4, 8][(ccr >> field & 7) as usize];
        let address = (lines(8) > 0).then(|| (self.word(at(pac::XSPI2.ar().as_ptr())), lines(8), 8 * ((ccr >> 12 & 3) + 1)));
        Command {
            instruction: self.word(at(pac::XSPI2.ir().as_ptr())),
            lines: lines(0),
            width: 8 * ((ccr >> 4 & 3) + 1),
            double: ccr >> 3 & 1 == 1,
            address,
            dummy: self.word(at(pac::XSPI2.tcr().as_ptr())) & 31,
            data_lines: lines(24),
            written: Vec::new(),
        }
    }

    fn mode(&self) -> u32 {
        self.word(at(pac::XSPI2.cr().as_ptr())) >> 28 & 3
    }

    fn bytes(&self) -> usize {
        self.word(at(pac::XSPI2.dlr().as_ptr())) as usize + 1
    }

    /// Result of a read of `address`, if it is a register of the controller.
    pub fn load(&self, address: u32) -> Option<u32> {
        if !self.has(address) {
            return None;
        }
        // Busy: bit 5; queue filled: bit 2; transfer complete: bit 1.
        let status = u32::from(self.stalled) << 5 | u32::from(self.done) << 1 | u32::from(!self.queue.is_empty() || self.mode() == 0) << 2;
        Some(if address == at(pac::XSPI2.sr().as_ptr()) { status } else { self.word(address) })
    }

    /// Takes a write; returns the breaches.
    pub fn store(&mut self, address: u32, value: u32) -> Vec<Breach> {
        let mut breaches = Vec::new();
        let enabled = self.word(at(pac::XSPI2.cr().as_ptr())) & 1 == 1;
        let configures = [at(pac::XSPI2.dcr1().as_ptr()), at(pac::XSPI2.dcr2().as_ptr())].contains(&address);
        if enabled && configures {
            breaches.push(Breach { rule: Rule::ControllerOff, what: format!("{address:x} written while the controller is enabled") });
        }
        if address == at(pac::XSPI2.fcr().as_ptr()) {
            self.done &= value >> 1 & 1 == 0;
            return breaches;
        }
        if address == at(pac::XSPI2.cr().as_ptr()) && value >> 1 & 1 == 1 {
            // Abort, which takes itself back.
            (self.stalled, self.done) = (false, true);
            self.words.insert(address, value & !2);
            return breaches;
        }
        self.words.insert(address, value);
        let command = self.command();
        let last = if command.address.is_some() { at(pac::XSPI2.ar().as_ptr()) } else { at(pac::XSPI2.ir().as_ptr()) };
        self.starts = address == last && (command.data_lines == 0 || self.mode() == 1) && self.mode() != 3;
        if self.starts && self.stalled {
            breaches.push(Breach { rule: Rule::ControllerOff, what: "a command while another one waits".to_owned() });
        }
        if self.starts && !enabled {
            breaches.push(Breach { rule: Rule::ControllerOff, what: "a command while the controller is disabled".to_owned() });
        }
        self.maps = address == at(pac::XSPI2.cr().as_ptr()) && self.mode() == 3;
        breaches
    }

    /// A byte out of the queue; `None` if it is empty.
    pub fn take_byte(&mut self, address: u32) -> Option<u8> {
        assert_eq!(address, at(pac::XSPI2.dr().as_ptr()), "only the queue is read by bytes");
        self.queue.pop_front()
    }

    /// A byte into the queue; whether it was the last one of a command.
    pub fn put_byte(&mut self, address: u32, value: u8) -> bool {
        assert_eq!(address, at(pac::XSPI2.dr().as_ptr()), "only the queue is written by bytes");
        self.queue.push_back(value);
        self.queue.len() == self.bytes()
    }

    /// The command that goes out, and how many bytes it reads.
    pub fn begin(&mut self) -> (Command, usize) {
        self.starts = false;
        let mut command = self.command();
        let reads = self.mode() == 1;
        if !reads {
            command.written = self.queue.drain(..).collect();
        }
        (command, if reads { self.bytes() } else { 0 })
    }

    /// Nothing comes back, not even the end.
    pub fn stall(&mut self) {
        self.stalled = true;
    }

    /// The answer.
    pub fn end(&mut self, answer: Vec<u8>) {
        self.queue = answer.into();
        self.done = true;
    }
}
