//! The AXI SRAM: six banks, of which four are off after a reset.

use stm32_metapac::{
    RCC,
    common::{RW, Reg},
};

use crate::{Registers, RegistersExt, typed::at};

/// Control register of bank 1; the others follow. ST's header has them as `RAMCFG_SRAM1_AXI_BASE`
/// and so on, the access crate has another chip's layout.
const RAMCFG: usize = 0x4202_3000;
const NEXT: usize = 0x80;
const SHUT_DOWN: u32 = 1 << 20;

const fn control(bank: usize) -> Reg<u32, RW> {
    at(RAMCFG + (bank - 1) * NEXT)
}

/// Clocks all six banks and turns those on that are off.
pub fn enable(registers: &mut impl Registers) {
    registers.write(RCC.memensr(), |w| {
        w.set_axisram1ens(true);
        w.set_axisram2ens(true);
        w.set_axisram3ens(true);
        w.set_axisram4ens(true);
        w.set_axisram5ens(true);
        w.set_axisram6ens(true);
    });
    registers.write(RCC.ahb2ensr(), |w| w.set_ramcfgens(true));
    for bank in 2..=6 {
        registers.modify(control(bank), |w| *w &= !SHUT_DOWN);
    }
    registers.barrier();
}
