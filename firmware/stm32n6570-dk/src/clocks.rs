//! Clocks: PLL1 at 800 MHz from the internal oscillator of 64 MHz. 800 MHz need the higher core voltage, which the board's regulator gives while PF4 is high.

use embassy_stm32::{
    Config,
    pac::{self, gpio::vals::Moder, pwr::vals::Vos},
    rcc::{AhbPrescaler, CpuClk, IcConfig, Icint, Icsel, Pll, Plldivm, Pllpdiv, Pllsel, SupplyConfig, SysClk, XspiClkSrc},
};

/// The processor's clock.
pub const HERTZ: u32 = 800_000_000;
/// Cycles of the 64 MHz after reset until the voltage has risen: more than 1 ms.
const RISE: u32 = 100_000;

/// Raises the core voltage. Before the clocks are set.
pub fn raise_voltage() {
    pac::RCC.ahb4enr().modify(|w| {
        w.set_gpiofen(true);
        w.set_pwren(true);
    });
    pac::GPIOF.bsrr().write(|w| w.set_bs(4, true));
    pac::GPIOF.moder().modify(|w| w.set_moder(4, Moder::OUTPUT));
    cortex_m::asm::delay(RISE);
    // VOS high.
    pac::PWR.voscr().modify(|w| w.set_vos(Vos::B_0X1));
    while !pac::PWR.voscr().read().vosrdy() {}
}

/// 800 MHz for the processor, 400 MHz for the buses, 200 MHz for the flash controller.
pub fn config() -> Config {
    let mut config = Config::default();
    let rcc = &mut config.rcc;
    rcc.supply_config = SupplyConfig::External;
    rcc.pll1 = Some(Pll::Oscillator { source: Pllsel::HSI, divm: Plldivm::DIV2, fractional: 0, divn: 25, divp1: Pllpdiv::DIV1, divp2: Pllpdiv::DIV1 });
    let from_pll1 = |divider: u8| Some(IcConfig { source: Icsel::PLL1, divider: Icint::from_bits(divider - 1) });
    rcc.cpu = CpuClk::Ic1;
    rcc.ic1 = from_pll1(1);
    rcc.sys = SysClk::Ic2;
    rcc.ic2 = from_pll1(2);
    rcc.ic6 = from_pll1(2);
    rcc.ic11 = from_pll1(2);
    rcc.ic4 = from_pll1(4);
    rcc.mux.xspi2sel = XspiClkSrc::IC4;
    rcc.ahb = AhbPrescaler::DIV2;
    // The flash and its pins run at 1.8 V.
    rcc.vddio3_1v8 = true;
    config
}

/// Clocks the SRAM that the arena lies in.
pub fn enable_memories() {
    pac::RCC.memenr().modify(|w| {
        w.set_axisram1en(true);
        w.set_axisram2en(true);
    });
}
