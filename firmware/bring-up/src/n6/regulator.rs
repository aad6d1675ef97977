//! The regulator of boards before revision C01, a TPS62864 on I2C2. Others have nothing at its
//! address.

use stm32_metapac::{
    I2C2, RCC,
    i2c::{regs::Isr, vals::Autoend},
    rcc::vals::I2c2sel,
};

use super::pins::{Pin, Port};
use crate::{Registers, RegistersExt, Stuck};

const CLOCK: Pin = Pin::new(Port::D, 14);
const DATA: Pin = Pin::new(Port::D, 4);
/// Alternate function of both.
const FUNCTION: u8 = 4;
const ADDRESS: u16 = 0x49;
/// The register of its voltage: steps of 5 mV from 400 mV.
const VOLTAGE: u8 = 1;
const HIGH: u8 = ((900_u16 - 400) / 5) as u8;

/// Tells it to give 900 mV; whether it is there and has understood.
pub fn raise(registers: &mut impl Registers) -> bool {
    connect(registers);
    let told = tell(registers, &[VOLTAGE, HIGH]);
    registers.write(I2C2.cr1(), |w| w.set_pe(false));
    // A bus that is held has no regulator that listens.
    told.unwrap_or(false)
}

/// 100 kHz from the internal oscillator, whatever the buses run at.
fn connect(registers: &mut impl Registers) {
    registers.modify(RCC.ccipr4(), |w| w.set_i2c2sel(I2c2sel::HSI_DIV));
    registers.write(RCC.apb1lensr(), |w| w.set_i2c2ens(true));
    for pin in [CLOCK, DATA] {
        pin.shared(registers, FUNCTION);
    }
    registers.write(I2C2.cr1(), |w| w.set_pe(false));
    // In quarters of a microsecond: 20 low, 16 high, 4 of changed data before the clock rises.
    registers.write(I2C2.timingr(), |w| {
        w.set_presc(16 - 1);
        w.set_scll(20 - 1);
        w.set_sclh(16 - 1);
        w.set_scldel(4);
        w.set_sdadel(2);
    });
    registers.write(I2C2.cr1(), |w| w.set_pe(true));
}

/// Whether somebody at the address takes all `bytes`.
fn tell(registers: &mut impl Registers, bytes: &[u8]) -> Result<bool, Stuck> {
    let failed = |isr: Isr| isr.nackf() || isr.berr() || isr.arlo();
    registers.write(I2C2.cr2(), |w| {
        w.set_sadd(ADDRESS << 1);
        w.set_nbytes(bytes.len() as u8);
        w.set_autoend(Autoend::AUTOMATIC);
        w.set_start(true);
    });
    for &byte in bytes {
        registers.until("the regulator's bus", I2C2.isr(), |isr| isr.txis() || failed(isr))?;
        if failed(registers.read(I2C2.isr())) {
            return Ok(false);
        }
        registers.write(I2C2.txdr(), |w| w.set_txdata(byte));
    }
    registers.until("the end of a transfer to the regulator", I2C2.isr(), |isr| isr.stopf() || failed(isr))?;
    Ok(!failed(registers.read(I2C2.isr())))
}
