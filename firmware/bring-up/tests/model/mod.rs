//! A model of the STM32N657 and its octal flash that notes every breach of [`rules`].
#![allow(dead_code, reason = "each test uses a part of it")]

mod clocks;
pub mod flash;
pub mod i2c;
pub mod rules;
mod xspi;

use std::collections::BTreeMap;

use bring_up::{Registers, pac};
use clocks::Clocks;
use flash::{Flash, Mode};
use i2c::{Bus, Regulator};
use rules::{Breach, Rule};
use xspi::Controller;

/// Result of a write: itself, nothing, others.
pub type Tamper = Box<dyn Fn(u32, u32) -> Vec<(u32, u32)>>;

/// The port that a pin lies on, as an offset of its registers.
const PORTS: u32 = 0x4602_0000;
const PORT_BYTES: u32 = 0x400;
/// Time that a regulator takes to rise: TPS62864 data sheet, ramp of 10 mV/us and more for 100 mV,
/// with a margin.
const REGULATOR_US: u64 = 500;

/// The chip with everything around it.
pub struct Board {
    words: BTreeMap<u32, u32>,
    now: u64,
    clocks: Clocks,
    xspi: Controller,
    pub flash: Flash,
    regulator: Regulator,
    stalls: bool,
    bus: Bus,
    /// When the regulator was told to give the high voltage.
    raised_at: Option<u64>,
    vos_high: bool,
    supply_awaited: bool,
    supply_changed: bool,
    loops_synchronised: bool,
    pub said: Vec<u8>,
    pub breaches: Vec<Breach>,
    tamper: Tamper,
}

/// How the boot ROM hands the chip over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boot {
    /// Switches in development mode: everything as after a reset.
    Development,
    /// From the flash: PLL1 at 1200 MHz feeds processor and buses, XSPI1 is on the flash's port.
    Flash,
}

impl Board {
    pub fn new(boot: Boot, mode: Mode) -> Self {
        let mut board = Self {
            words: BTreeMap::new(),
            now: 0,
            clocks: Clocks::default(),
            xspi: Controller::default(),
            flash: Flash::new(mode),
            regulator: Regulator::Pin,
            stalls: false,
            bus: Bus::default(),
            raised_at: None,
            vos_high: false,
            supply_awaited: false,
            supply_changed: false,
            loops_synchronised: false,
            said: Vec::new(),
            breaches: Vec::new(),
            tamper: Box::new(|address, value| vec![(address, value)]),
        };
        // RM0486, reset values; SDEN set, HPRE by two, banks 3 to 6 of the AXI SRAM off.
        board.put(pac::PWR.cr1().as_ptr(), 0x24);
        board.put(pac::PWR.voscr().as_ptr(), 0x0002_0002);
        board.put(pac::RCC.cfgr2().as_ptr(), 0x0010_0000);
        board.put(pac::RCC.cr().as_ptr(), 1 << 3);
        board.put(pac::RCC.sr().as_ptr(), 1 << 3);
        board.put(pac::RCC.memenr().as_ptr(), 0x1380);
        (0..4).for_each(|pll| board.put(pac::RCC.pllcfgr1(pll).as_ptr(), 0x0820_2500));
        (0..4).for_each(|pll| board.put(pac::RCC.pllcfgr3(pll).as_ptr(), 0x4900_000d));
        (0..20).for_each(|ic| board.put(pac::RCC.iccfgr(ic).as_ptr(), 0x0002_0000));
        (2..6).for_each(|bank| _ = board.words.insert(RAMCFG + bank * 0x80, 1 << 20));
        // State that the boot ROM leaves: caches inactive, an interrupt enabled and one pending.
        board.words.insert(CPUID, 0x411f_d220);
        board.words.insert(CCR, 0x201);
        board.words.insert(MSCR, 0);
        board.words.insert(ISER + 4 * 4, 1 << (139 - 128));
        board.words.insert(ISPR + 4 * 4, 1 << 3);
        if boot == Boot::Flash {
            board.put(pac::RCC.pllcfgr1(0).as_ptr(), 4 << 20 | 75 << 8);
            board.put(pac::RCC.cr().as_ptr(), 1 << 3 | 1 << 8);
            board.put(pac::RCC.sr().as_ptr(), 1 << 3 | 1 << 8);
            board.put(pac::RCC.iccfgr(0).as_ptr(), 2 << 16);
            board.put(pac::RCC.cfgr().as_ptr(), 0x3333_0000);
            board.put(pac::RCC.divenr().as_ptr(), 1 | 1 << 1 | 1 << 5 | 1 << 10);
            (1..11).for_each(|ic| board.put(pac::RCC.iccfgr(ic).as_ptr(), 2 << 16));
            board.put(pac::RCC.ahb5enr().as_ptr(), 1 << 5 | 1 << 13);
            board.put(pac::XSPIM.cr().as_ptr(), 1 << 1);
        }
        board
    }

    /// Makes the board one with another regulator.
    pub fn with(mut self, regulator: Regulator) -> Self {
        self.regulator = regulator;
        self
    }

    /// Makes octal commands that the flash does not understand never end, as embassy's flash boot
    /// example met it.
    pub fn stalling(mut self) -> Self {
        self.stalls = true;
        self
    }

    /// Puts `tamper` between the program and the chip.
    pub fn tampered(mut self, tamper: Tamper) -> Self {
        self.tamper = tamper;
        self
    }

    /// Every breach, also those that the flash noted, and what only shows at the end.
    pub fn finish(mut self) -> Vec<Breach> {
        if self.word(CCR) & 1 << 19 == 0 || !self.loops_synchronised {
            self.breach(Rule::LoopCache, format!("CCR is {:x}, synchronised: {}", self.word(CCR), self.loops_synchronised));
        }
        if self.word(MSCR) & 3 << 12 != 3 << 12 {
            self.breach(Rule::CachesActive, format!("MSCR is {:x}", self.word(MSCR)));
        }
        if (0..16).any(|word| self.word(ISER + 4 * word) != 0) {
            self.breach(Rule::Interrupts, "an interrupt of the boot ROM is still enabled".to_owned());
        }
        if self.reg(pac::RCC.apb4henr().as_ptr()) >> 1 & 1 == 0 {
            self.breach(Rule::SleepClock, "BSEC has no clock".to_owned());
        }
        for bank in 1..=6 {
            let clock = [7, 8, 0, 1, 2, 3][bank as usize - 1];
            let (clocked, off) = (self.reg(pac::RCC.memenr().as_ptr()) >> clock & 1 == 1, self.word(RAMCFG + (bank - 1) * 0x80) >> 20 & 1 == 1);
            if !clocked || off {
                self.breach(Rule::MemoryOn, format!("AXISRAM{bank}: clocked {clocked}, off {off}"));
            }
        }
        if self.reg(pac::PWR.cr1().as_ptr()) & 1 << 2 != 0 {
            self.breach(Rule::SupplyFirst, "the internal converter is still on".to_owned());
        }
        self.breaches.append(&mut self.flash.breaches);
        self.breaches
    }

    /// The processor's clock.
    pub fn processor_hertz(&self) -> u64 {
        self.clocks.processor(&|address| self.word(address))
    }

    fn breach(&mut self, rule: Rule, what: String) {
        self.breaches.push(Breach { rule, what });
    }

    fn word(&self, address: u32) -> u32 {
        self.words.get(&address).copied().unwrap_or(0)
    }

    fn reg<T>(&self, pointer: *mut T) -> u32 {
        self.word(pointer.addr() as u32)
    }

    fn put<T>(&mut self, pointer: *mut T, value: u32) {
        self.words.insert(pointer.addr() as u32, value);
    }

    /// Whether the block that `address` lies in is clocked; most that the start-up touches have a
    /// bit.
    fn is_clocked(&self, address: u32) -> bool {
        let on = |register: u32, bit: u32| self.word(register) >> bit & 1 == 1;
        let (ahb2, ahb4, ahb5) =
            (pac::RCC.ahb2enr().as_ptr().addr() as u32, pac::RCC.ahb4enr().as_ptr().addr() as u32, pac::RCC.ahb5enr().as_ptr().addr() as u32);
        let within = |base: u32, bytes: u32| (base..base + bytes).contains(&address);
        let base = |pointer: *mut ()| pointer.addr() as u32;
        match address {
            _ if within(PORTS, 0x4400) => on(ahb4, (address - PORTS) / PORT_BYTES),
            _ if within(base(pac::XSPI1.as_ptr()), 0x400) => on(ahb5, 5),
            _ if within(base(pac::XSPI2.as_ptr()), 0x400) => on(ahb5, 12),
            _ if within(base(pac::XSPIM.as_ptr()), 0x400) => on(ahb5, 13),
            _ if within(RAMCFG, 0x1000) => on(ahb2, 12),
            _ if within(base(pac::I2C2.as_ptr()), 0x400) => on(pac::RCC.apb1lenr().as_ptr().addr() as u32, 22),
            _ if within(base(pac::USART1.as_ptr()), 0x400) => on(pac::RCC.apb2enr().as_ptr().addr() as u32, 4),
            _ if within(base(pac::SYSCFG.as_ptr()), 0x400) => on(pac::RCC.apb4henr().as_ptr().addr() as u32, 0),
            _ => true,
        }
    }

    /// Looks at clocks after anything that may have changed them.
    fn check_clocks(&mut self) {
        let words = &self.words;
        let word = |address: u32| words.get(&address).copied().unwrap_or(0);
        let oscillator = self.clocks.oscillator(&word);
        let (processor, buses) = (self.clocks.processor(&word), self.clocks.buses(&word));
        let raised = self.raised_at.is_some_and(|at| self.now >= at + REGULATOR_US);
        let high = self.vos_high && raised && word(pac::PWR.cr1().as_ptr().addr() as u32) & 1 << 2 == 0;
        let limit = if high { 800_000_000 } else { 600_000_000 };
        if oscillator != 64_000_000 {
            self.breach(Rule::Oscillator, format!("the oscillator runs at {oscillator} Hz"));
        }
        if processor > limit {
            self.breach(Rule::ProcessorClock, format!("{processor} Hz, {limit} at this voltage"));
        }
        for (name, hertz, limit) in buses {
            if hertz > limit {
                self.breach(Rule::BusClock, format!("{name} at {hertz} Hz, {limit} at most"));
            }
        }
    }

    /// A write to PWR.
    fn power(&mut self, address: u32, value: u32) {
        let [cr1, voscr, svmcr3] = [pac::PWR.cr1().as_ptr().addr(), pac::PWR.voscr().as_ptr().addr(), pac::PWR.svmcr3().as_ptr().addr()].map(|at| at as u32);
        if address == cr1 {
            self.words.insert(cr1, value);
            (self.supply_changed, self.supply_awaited) = (true, false);
        } else if address == voscr {
            self.write_voltage(voscr, value & 1 == 1);
        } else if address == svmcr3 {
            // Ready follows valid.
            self.words.insert(svmcr3, value & !(3 << 16) | (value >> 8 & 3) << 16);
        } else {
            self.words.insert(address, value);
        }
        self.check_clocks();
    }

    fn write_voltage(&mut self, voscr: u32, high: bool) {
        let internal = self.reg(pac::PWR.cr1().as_ptr()) & 1 << 2 != 0;
        if !self.supply_changed || internal {
            self.breach(Rule::SupplyFirst, "voltage scaling asked for while the internal converter is selected".to_owned());
        }
        if !self.supply_awaited {
            self.breach(Rule::SupplyAwaited, "voltage scaling asked for before the supply's level was".to_owned());
        }
        if high && self.raised_at.is_none_or(|at| self.now < at + REGULATOR_US) {
            self.breach(Rule::RegulatorRaised, "the high range asked for while the regulator gives the low voltage".to_owned());
        }
        self.vos_high = high && !internal;
        // Without the external supply the internal converter has no voltage to regulate: never
        // ready.
        let ready = if internal && high { 0 } else { 0x0002_0002 | u32::from(high) << 16 };
        self.words.insert(voscr, u32::from(high) | ready);
    }

    /// A pulse on PWR's reset line: all of it as after a reset, the voltage low.
    fn reset_power(&mut self) {
        self.put(pac::PWR.cr1().as_ptr(), 0x24);
        self.put(pac::PWR.voscr().as_ptr(), 0x0002_0002);
        self.put(pac::PWR.svmcr3().as_ptr(), 0);
        (self.vos_high, self.supply_changed) = (false, false);
        self.check_clocks();
    }

    /// A write to a port.
    fn port(&mut self, address: u32, value: u32) {
        let (port, register) = ((address - PORTS) / PORT_BYTES, (address - PORTS) % PORT_BYTES);
        let svmcr3 = self.reg(pac::PWR.svmcr3().as_ptr());
        let compensated = |cell: u32| cell & 0x2ff == 0x287;
        let valid = match port {
            13 => svmcr3 >> 9 & 1 == 1 && svmcr3 >> 26 & 1 == 1 && compensated(self.reg(pac::SYSCFG.vddio3cccr().as_ptr())),
            14 | 15 => svmcr3 >> 8 & 1 == 1,
            _ => true,
        };
        if !valid {
            self.breach(Rule::IoSupply, format!("port {port} used, SVMCR3 is {svmcr3:x}"));
        }
        if register == 0x18 {
            let odr = PORTS + port * PORT_BYTES + 0x14;
            let pins = (self.word(odr) | value & 0xffff) & !(value >> 16);
            self.words.insert(odr, pins);
        } else {
            self.words.insert(address, value);
        }
        let base = PORTS + 5 * PORT_BYTES;
        let high = self.word(base) >> 8 & 3 == 1 && self.word(base + 0x14) >> 4 & 1 == 1;
        if self.regulator == Regulator::Pin {
            self.raised_at = if high { self.raised_at.or(Some(self.now)) } else { None };
        }
        self.check_clocks();
    }

    /// I2C2 takes a write, and what is on it.
    fn store_bus(&mut self, address: u32, value: u32) {
        let port = PORTS + 3 * PORT_BYTES;
        let pin = |pin: u32| {
            let function = self.word(port + 0x20 + pin / 8 * 4) >> (pin % 8 * 4) & 15;
            self.word(port) >> (2 * pin) & 3 == 2 && function == 4 && self.word(port + 4) >> pin & 1 == 1
        };
        let connected = pin(4) && pin(14);
        // HSI, whatever the buses run at, or else their clock.
        let hertz = if self.reg(pac::RCC.ccipr4().as_ptr()) >> 4 & 7 == 5 { 64_000_000 } else { 200_000_000 };
        let breaches = self.bus.store(address, value, self.regulator, hertz, connected);
        self.breaches.extend(breaches);
        if self.bus.raised {
            self.raised_at = self.raised_at.or(Some(self.now));
        }
    }
}

/// RAMCFG, whose registers the access crate lacks; core registers.
pub const RAMCFG: u32 = 0x4202_3000;
const CPUID: u32 = 0xe000_ed00;
pub const CCR: u32 = 0xe000_ed14;
pub const MSCR: u32 = 0xe001_e000;
const ISER: u32 = 0xe000_e100;
const ICER: u32 = 0xe000_e180;
const ISPR: u32 = 0xe000_e200;
const ICPR: u32 = 0xe000_e280;
/// RCC with its registers that set and clear others.
const RCC: u32 = 0x4602_8000;
const SET: std::ops::Range<u32> = RCC + 0x800..RCC + 0xc00;
const CLEAR: std::ops::Range<u32> = RCC + 0x1000..RCC + 0x1400;

impl Registers for Board {
    fn load(&mut self, address: u32) -> u32 {
        if !self.is_clocked(address) {
            self.breach(Rule::Clocked, format!("read of {address:x}, whose block has no clock"));
        }
        if address == pac::PWR.voscr().as_ptr().addr() as u32 {
            self.supply_awaited |= self.supply_changed;
        }
        if address == pac::USART1.isr().as_ptr().addr() as u32 {
            return 1 << 7 | 1 << 6;
        }
        if self.bus.has(address) {
            return self.bus.load(address);
        }
        if let Some(value) = self.xspi.load(address) {
            return value;
        }
        self.clocks.seen(address);
        self.word(address)
    }

    fn store(&mut self, address: u32, value: u32) {
        for (address, value) in (self.tamper)(address, value) {
            self.write_word(address, value);
        }
    }

    fn load_byte(&mut self, address: u32) -> u8 {
        self.xspi.take_byte(address).unwrap_or_else(|| {
            self.breach(Rule::ControllerOff, "a byte is taken before there is one".to_owned());
            0xff
        })
    }

    fn store_byte(&mut self, address: u32, value: u8) {
        if self.xspi.put_byte(address, value) {
            self.transfer();
        }
    }

    fn wait(&mut self, microseconds: u32) {
        self.now += u64::from(microseconds);
        self.check_clocks();
    }

    fn barrier(&mut self) {
        self.loops_synchronised = true;
    }

    fn clock(&mut self, hertz: u32) {
        let real = self.processor_hertz();
        // Waits may be too long, never too short: what is announced is the higher one of before and
        // after.
        if u64::from(hertz) < real {
            self.breach(Rule::ProcessorClock, format!("the program believes in {hertz} Hz, the chip runs at {real}"));
        }
    }
}

impl Board {
    fn write_word(&mut self, address: u32, value: u32) {
        if !self.is_clocked(address) {
            return self.breach(Rule::Clocked, format!("write to {address:x}, whose block has no clock"));
        }
        let pwr = pac::PWR.as_ptr().addr() as u32;
        match address {
            _ if (pwr..pwr + 0x400).contains(&address) => self.power(address, value),
            _ if (PORTS..PORTS + 0x4400).contains(&address) => self.port(address, value),
            _ if SET.contains(&address) => self.store_rcc(address - 0x800, value, true),
            _ if CLEAR.contains(&address) => self.store_rcc(address - 0x1000, value, false),
            _ if (RCC..RCC + 0x400).contains(&address) => self.write_rcc(address, value),
            _ if (ISER..ICER).contains(&address) => self.modify(address, |old| old | value),
            _ if (ICER..ISPR).contains(&address) => self.modify(address - 0x80, |old| old & !value),
            _ if (ICPR..ICPR + 0x80).contains(&address) => self.modify(address - 0x80, |old| old & !value),
            _ if self.xspi.has(address) => self.store_xspi(address, value),
            _ if self.bus.has(address) => self.store_bus(address, value),
            CCR => {
                self.words.insert(CCR, value);
                self.loops_synchronised = false;
            }
            _ if address == pac::USART1.tdr().as_ptr().addr() as u32 => self.said.push(value as u8),
            _ => _ = self.words.insert(address, value),
        }
    }
}

impl Board {
    fn modify(&mut self, address: u32, change: impl FnOnce(u32) -> u32) {
        let value = change(self.word(address));
        self.words.insert(address, value);
    }

    /// A write that sets or clears bits of the register at `address`.
    fn store_rcc(&mut self, address: u32, bits: u32, set: bool) {
        let value = if set { self.word(address) | bits } else { self.word(address) & !bits };
        self.write_rcc(address, value);
    }

    fn write_rcc(&mut self, address: u32, value: u32) {
        let words = &mut self.words;
        let found = self.clocks.write(words, address, value);
        self.breaches.extend(found);
        if address == pac::RCC.ahb4rstr().as_ptr().addr() as u32 && value >> 18 & 1 == 1 {
            self.reset_power();
        }
        if address == pac::RCC.ahb5rstr().as_ptr().addr() as u32 {
            if value >> 12 & 1 == 1 {
                self.xspi = Controller::default();
            }
            if value >> 13 & 1 == 1 {
                self.put(pac::XSPIM.cr().as_ptr(), 0);
            }
        }
        self.check_clocks();
    }

    fn store_xspi(&mut self, address: u32, value: u32) {
        let breaches = self.xspi.store(address, value);
        self.breaches.extend(breaches);
        if self.xspi.starts {
            self.transfer();
        }
        if std::mem::take(&mut self.xspi.maps) {
            self.connected();
            let hertz = self.flash_hertz();
            self.flash.mapped(&self.xspi.command(), hertz);
        }
    }

    /// The command goes out, and its answer comes back.
    fn transfer(&mut self) {
        self.connected();
        let hertz = self.flash_hertz();
        self.flash.clocked(hertz);
        let (command, wanted) = self.xspi.begin();
        if self.stalls && command.lines == 8 && !self.flash.listens(&command) {
            return self.xspi.stall();
        }
        let answer = self.flash.take(self.now, &command, wanted);
        self.xspi.end(answer);
    }

    fn flash_hertz(&self) -> u64 {
        self.clocks.flash(&|address| self.word(address)) / u64::from(self.xspi.prescaler() + 1)
    }

    /// The controller must reach the flash: port 2, its eleven pins in function 9.
    fn connected(&mut self) {
        let (xspim, port) = (self.reg(pac::XSPIM.cr().as_ptr()), PORTS + 13 * PORT_BYTES);
        let pin = |pin: u32| {
            let function = self.word(port + 0x20 + pin / 8 * 4) >> (pin % 8 * 4) & 15;
            self.word(port) >> (2 * pin) & 3 == 2 && function == 9 && self.word(port + 8) >> (2 * pin) & 3 == 3
        };
        let pins = [1, 2, 3, 4, 5, 6, 8, 9, 10, 11];
        if xspim & 1 << 1 != 0 || !pins.into_iter().all(pin) {
            self.breach(Rule::Port, format!("XSPIM is {xspim:x}, or a pin of port N is not the controller's"));
        }
    }
}
