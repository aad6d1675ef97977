//! Clocks: PLL1 from the internal oscillator of 64 MHz.

use stm32_metapac::{
    RCC,
    rcc::{
        regs::Iccfgr,
        vals::{Cpusw, Cpusws, Hpre, Hsidiv, Hsitrim, Icint, Icsel, Plldivm, Pllmodssdis, Pllpdiv, Pllsel, Ppre, Syssw, Syssws, Xspisel},
    },
};

use crate::{Registers, RegistersExt, Stuck};

const OSCILLATOR: u32 = 64_000_000;

/// How fast the processor runs; buses 400 MHz, the flash controller 200 MHz, peripherals 200 MHz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speed {
    /// The processor's clock.
    pub hertz: u32,
    /// Whether that needs the higher core voltage.
    pub overdrive: bool,
    /// Factor of PLL1, whose input is 16 MHz.
    factor: u16,
    /// Dividers of PLL1 for IC1 (processor), IC2 (buses), IC4 (flash controller), IC6 (neural
    /// accelerator, which is not used) and IC11 (AXISRAM3 to 6).
    dividers: [(usize, u8); 5],
}

impl Speed {
    /// 800 MHz, with the board's regulator at its higher voltage.
    pub const FULL: Self = Self { hertz: 800_000_000, overdrive: true, factor: 50, dividers: [(1, 1), (2, 2), (4, 4), (6, 4), (11, 2)] };
    /// 600 MHz at the voltage that every board has after power-on.
    pub const NOMINAL: Self = Self { hertz: 600_000_000, overdrive: false, factor: 75, dividers: [(1, 2), (2, 3), (4, 6), (6, 6), (11, 3)] };
}

/// Runs processor and buses from the oscillator, at the frequency that it was calibrated to, and
/// stops PLL1.
pub fn internal(registers: &mut impl Registers) -> Result<(), Stuck> {
    registers.write(RCC.csr(), |w| w.set_hsions(true));
    registers.until("the internal oscillator", RCC.sr(), |sr| sr.hsirdy())?;
    registers.modify(RCC.hsicfgr(), |w| {
        w.set_hsidiv(Hsidiv::DIV1);
        w.set_hsitrim(Hsitrim::ZERO);
    });
    registers.modify(RCC.cfgr(), |w| w.set_cpusw(Cpusw::HSI));
    registers.until("the processor's switch to the oscillator", RCC.cfgr(), |cfgr| cfgr.cpusws() == Cpusws::HSI)?;
    registers.modify(RCC.cfgr(), |w| w.set_syssw(Syssw::HSI));
    registers.until("the buses' switch to the oscillator", RCC.cfgr(), |cfgr| cfgr.syssws() == Syssws::HSI)?;
    registers.clock(OSCILLATOR);
    registers.write(RCC.ccr(), |w| w.set_pllonc(0, true));
    registers.until("PLL1 to stop", RCC.sr(), |sr| !sr.pllrdy(0))
}

/// Starts PLL1 and switches processor and buses to it.
pub fn set(registers: &mut impl Registers, speed: &Speed) -> Result<(), Stuck> {
    registers.modify(RCC.pllcfgr1(0), |w| {
        w.set_pllbyp(false);
        w.set_pllsel(Pllsel::HSI);
        w.set_plldivm(Plldivm::DIV4);
        w.set_plldivn(speed.factor);
    });
    registers.modify(RCC.pllcfgr2(0), |w| w.set_plldivnfrac(0));
    registers.modify(RCC.pllcfgr3(0), |w| {
        w.set_pllmodssdis(Pllmodssdis::FRACTIONAL_DIVIDE);
        w.set_pllmoddsen(false);
        w.set_pllmodssrst(true);
        w.set_pllpdiv1(Pllpdiv::DIV1);
        w.set_pllpdiv2(Pllpdiv::DIV1);
        w.set_pllpdiven(true);
    });
    registers.write(RCC.csr(), |w| w.set_pllons(0, true));
    registers.until("PLL1", RCC.sr(), |sr| sr.pllrdy(0))?;
    for (ic, divider) in speed.dividers {
        registers.write(RCC.iccfgr(ic - 1), |w: &mut Iccfgr| {
            w.set_icsel(Icsel::PLL1);
            w.set_icint(Icint::from_bits(divider - 1));
        });
    }
    registers.write(RCC.divensr(), |w| {
        w.set_ic1ens(true);
        w.set_ic2ens(true);
        w.set_ic4ens(true);
        w.set_ic6ens(true);
        w.set_ic11ens(true);
    });
    // Halved before the buses get faster.
    registers.modify(RCC.cfgr2(), |w| {
        w.set_hpre(Hpre::DIV2);
        w.set_ppre1(Ppre::DIV1);
        w.set_ppre2(Ppre::DIV1);
        w.set_ppre4(Ppre::DIV1);
        w.set_ppre5(Ppre::DIV1);
    });
    registers.clock(speed.hertz);
    registers.modify(RCC.cfgr(), |w| w.set_cpusw(Cpusw::IC1));
    registers.until("the processor's switch to IC1", RCC.cfgr(), |cfgr| cfgr.cpusws() == Cpusws::IC1)?;
    registers.modify(RCC.cfgr(), |w| w.set_syssw(Syssw::IC2));
    registers.until("the buses' switch to IC2", RCC.cfgr(), |cfgr| cfgr.syssws() == Syssws::IC2)?;
    registers.modify(RCC.ccipr6(), |w| w.set_xspi2sel(Xspisel::IC4));
    Ok(())
}
