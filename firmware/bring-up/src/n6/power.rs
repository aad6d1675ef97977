//! Supply of the core and of the pins.

use stm32_metapac::{
    PWR, RCC, SYSCFG,
    pwr::vals::{Vddio2rdy, Vddio2sv, Vddio2vrsel, Vddio3rdy, Vddio3sv, Vddio3vrsel, Vos},
    syscfg::vals::{Vddio2cccrCs, Vddio3cccrCs},
};

use super::{
    pins::{Pin, Port},
    regulator,
};
use crate::{Registers, RegistersExt, Stuck};

/// From revision C01 on, the board's regulator gives the higher voltage while this pin is high.
const REGULATOR: Pin = Pin::new(Port::F, 4);
/// More than the regulator takes to rise.
const RISE_US: u32 = 1000;

/// The core's voltage comes from outside. The chip's own converter is selected after a reset, but
/// has no inductor on this board and would never be ready.
pub fn external(registers: &mut impl Registers) -> Result<(), Stuck> {
    registers.modify(PWR.cr1(), |w| w.set_sden(false));
    registers.until("the core's supply", PWR.voscr(), |voscr| voscr.actvosrdy())
}

/// Raises the core's voltage, which the processor needs beyond 600 MHz. The bus does it on boards
/// before revision C01, whose regulators are on it, else the pin.
pub fn overdrive(registers: &mut impl Registers) -> Result<(), Stuck> {
    if !regulator::raise(registers) {
        REGULATOR.output(registers, true);
    }
    registers.wait(RISE_US);
    registers.modify(PWR.voscr(), |w| w.set_vos(Vos::B_0X1));
    registers.until("the core's higher voltage", PWR.voscr(), |voscr| voscr.vosrdy())
}

/// Declares the supplies of ports N (flash) and O (green LED) valid and at 1.8 V. Sets the
/// compensation of ST's errata sheet ES0620. By the same sheet the processor sleeps only while BSEC
/// is clocked.
pub fn pins(registers: &mut impl Registers) -> Result<(), Stuck> {
    registers.modify(PWR.svmcr3(), |w| {
        w.set_vddio2sv(Vddio2sv::B_0X1);
        w.set_vddio3sv(Vddio3sv::B_0X1);
        w.set_vddio2vmen(true);
        w.set_vddio3vmen(true);
        w.set_vddio2vrsel(Vddio2vrsel::B_0X1);
        w.set_vddio3vrsel(Vddio3vrsel::B_0X1);
    });
    registers.until("the pins' supplies", PWR.svmcr3(), |svmcr3| svmcr3.vddio2rdy() == Vddio2rdy::B_0X1 && svmcr3.vddio3rdy() == Vddio3rdy::B_0X1)?;
    registers.write(RCC.apb4hensr(), |w| {
        w.set_syscfgens(true);
        w.set_bsecens(true);
    });
    registers.write(SYSCFG.vddio2cccr(), |w| {
        w.set_ransrc(7);
        w.set_rapsrc(8);
        w.set_cs(Vddio2cccrCs::B_0X1);
    });
    registers.write(SYSCFG.vddio3cccr(), |w| {
        w.set_ransrc(7);
        w.set_rapsrc(8);
        w.set_cs(Vddio3cccrCs::B_0X1);
    });
    Ok(())
}
