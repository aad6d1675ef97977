//! Pins.

use stm32_metapac::{
    GPIOD, GPIOE, GPIOF, GPIOG, GPION, GPIOO, RCC,
    gpio::{
        Gpio,
        vals::{Moder, Ospeedr, Ot, Pupdr},
    },
};

use crate::{Registers, RegistersExt};

/// A port that the board's start-up uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Regulator of boards before revision C01.
    D,
    /// Serial port, marker of frames.
    E,
    /// Regulator of the others.
    F,
    /// Red LED.
    G,
    /// Octal flash.
    N,
    /// Green LED.
    O,
}

/// One pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    port: Port,
    number: usize,
}

impl Pin {
    /// Pin `number` of `port`, 0 to 15.
    pub const fn new(port: Port, number: usize) -> Self {
        Self { port, number }
    }

    const fn block(self) -> Gpio {
        match self.port {
            Port::D => GPIOD,
            Port::E => GPIOE,
            Port::F => GPIOF,
            Port::G => GPIOG,
            Port::N => GPION,
            Port::O => GPIOO,
        }
    }

    fn clock(self, registers: &mut impl Registers) {
        registers.write(RCC.ahb4ensr(), |w| match self.port {
            Port::D => w.set_gpiodens(true),
            Port::E => w.set_gpioeens(true),
            Port::F => w.set_gpiofens(true),
            Port::G => w.set_gpiogens(true),
            Port::N => w.set_gpionens(true),
            Port::O => w.set_gpiooens(true),
        });
    }

    /// Makes it an output that is `high`.
    pub fn output(self, registers: &mut impl Registers, high: bool) {
        self.clock(registers);
        self.set(registers, high);
        registers.modify(self.block().moder(), |w| w.set_moder(self.number, Moder::OUTPUT));
    }

    /// Drives it.
    pub fn set(self, registers: &mut impl Registers, high: bool) {
        registers.write(self.block().bsrr(), |w| if high { w.set_bs(self.number, true) } else { w.set_br(self.number, true) });
    }

    /// Gives it to a peripheral as its alternate function, on a line that others pull low too and
    /// the board pulls up.
    pub(super) fn shared(self, registers: &mut impl Registers, function: u8) {
        self.clock(registers);
        registers.modify(self.block().otyper(), |w| w.set_ot(self.number, Ot::OPEN_DRAIN));
        self.alternate(registers, function, false);
    }

    /// Gives it to a peripheral as its alternate function, at full speed, pulled up where it is
    /// idle otherwise.
    pub(super) fn alternate(self, registers: &mut impl Registers, function: u8, pull_up: bool) {
        self.clock(registers);
        let block = self.block();
        registers.modify(block.ospeedr(), |w| w.set_ospeedr(self.number, Ospeedr::VERY_HIGH_SPEED));
        registers.modify(block.pupdr(), |w| w.set_pupdr(self.number, if pull_up { Pupdr::PULL_UP } else { Pupdr::FLOATING }));
        registers.modify(block.afr(self.number / 8), |w| w.set_afr(self.number % 8, function));
        registers.modify(block.moder(), |w| w.set_moder(self.number, Moder::ALTERNATE));
    }
}
