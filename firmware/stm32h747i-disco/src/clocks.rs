//! Clocks from the internal 64 MHz oscillator. The SMPS that the board is delivered with reaches
//! voltage scale 1, 400 MHz; scale 0 and 480 MHz need the LDO.

use embassy_stm32::{
    Config,
    rcc::{AHBPrescaler, APBPrescaler, HSIPrescaler, Pll, PllDiv, PllMul, PllPreDiv, PllSource, SupplyConfig, Sysclk, VoltageScale},
};

/// Whether the core is supplied by the LDO.
const LDO: bool = cfg!(feature = "ldo-480mhz");
/// The processor's clock.
pub const HERTZ: u32 = if LDO { 480_000_000 } else { 400_000_000 };

/// PLL1 for the processor; buses at a half and a quarter of it.
pub fn config() -> Config {
    let mut config = Config::default();
    let rcc = &mut config.rcc;
    rcc.hsi = Some(HSIPrescaler::DIV1);
    let mul = if LDO { PllMul::MUL60 } else { PllMul::MUL50 };
    rcc.pll1 = Some(Pll { source: PllSource::HSI, prediv: PllPreDiv::DIV4, mul, divp: Some(PllDiv::DIV2), divq: None, divr: None });
    rcc.sys = Sysclk::PLL1_P;
    rcc.d1c_pre = AHBPrescaler::DIV1;
    rcc.ahb_pre = AHBPrescaler::DIV2;
    rcc.apb1_pre = APBPrescaler::DIV2;
    rcc.apb2_pre = APBPrescaler::DIV2;
    rcc.apb3_pre = APBPrescaler::DIV2;
    rcc.apb4_pre = APBPrescaler::DIV2;
    (rcc.supply_config, rcc.voltage_scale) = if LDO { (SupplyConfig::LDO, VoltageScale::Scale0) } else { (SupplyConfig::DirectSMPS, VoltageScale::Scale1) };
    config
}
