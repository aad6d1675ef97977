//! USART1, which the board's debugger shows to the host as a serial port: 115200 baud, 8 bits, no
//! parity.

use stm32_metapac::{RCC, USART1, rcc::vals::Uart16910sel};

use super::pins::{Pin, Port};
use crate::{Registers, RegistersExt, Stuck};

const SEND: Pin = Pin::new(Port::E, 5);
const RECEIVE: Pin = Pin::new(Port::E, 6);
/// Alternate function of both.
const FUNCTION: u8 = 7;
/// The internal oscillator, whatever the buses run at.
const HERTZ: u32 = 64_000_000;
const BAUD: u32 = 115_200;

/// The port, once it is set up.
#[derive(Clone, Copy, Debug)]
pub struct Serial(());

impl Serial {
    /// Sets it up.
    pub fn new(registers: &mut impl Registers) -> Self {
        registers.modify(RCC.ccipr13(), |w| w.set_usart1sel(Uart16910sel::HSI_DIV));
        registers.write(RCC.apb2ensr(), |w| w.set_usart1ens(true));
        SEND.alternate(registers, FUNCTION, false);
        RECEIVE.alternate(registers, FUNCTION, true);
        registers.write(USART1.brr(), |w| w.set_brr(((HERTZ + BAUD / 2) / BAUD) as u16));
        // A byte that nobody took in time is replaced by the next one, instead of all that follow
        // being refused.
        registers.write(USART1.cr3(), |w| w.set_ovrdis(true));
        registers.write(USART1.cr1(), |w| {
            w.set_te(true);
            w.set_re(true);
            w.set_ue(true);
        });
        Self(())
    }

    /// The next byte that has come, if one has.
    pub fn receive(self, registers: &mut impl Registers) -> Option<u8> {
        registers.read(USART1.isr()).rxne().then(|| registers.read(USART1.rdr()).dr() as u8)
    }

    /// Sends `bytes`, and returns when the last one is on its way.
    ///
    /// # Errors
    /// If the port does not take a byte.
    pub fn send(self, registers: &mut impl Registers, bytes: &[u8]) -> Result<(), Stuck> {
        for &byte in bytes {
            registers.until("the serial port", USART1.isr(), |isr| isr.txe())?;
            registers.write(USART1.tdr(), |w| w.set_dr(byte.into()));
        }
        Ok(())
    }

    /// Returns when the last byte has left.
    ///
    /// # Errors
    /// If it does not leave.
    pub fn flush(self, registers: &mut impl Registers) -> Result<(), Stuck> {
        registers.until("the serial port's last byte", USART1.isr(), |isr| isr.tc())
    }
}
