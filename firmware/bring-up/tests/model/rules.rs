//! Rules that the start-up of the STM32N6570-DK must keep, and their sources.
//!
//! "HAL" is STMicroelectronics/stm32n6xx-hal-driver 1.1.0, "BSP" is
//! STMicroelectronics/stm32n6570-dk-bsp 1.3.0, "Cube" is STMicroelectronics/STM32CubeN6, "flash
//! driver" is STMicroelectronics/stm32-mx66uw1g45g 1.1.0, all public. Every source named first was
//! read there. Not at hand were the manuals that some of it follows:
//! reference manual RM0486, errata sheet ES0620, the flash's data sheet. They are named only behind
//! the code that cites them. UM3300 is the board's manual, Rev 1.

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// The core's supply is chosen before the voltage.
    SupplyFirst,
    /// The supply's level is awaited.
    SupplyAwaited,
    /// The board's regulator is raised, and given time, before the chip is told to count on it.
    RegulatorRaised,
    /// A regulator on I2C is told so at a speed, on pins and with bytes that it understands.
    RegulatorBus,
    /// The processor exceeds 600 MHz only at the high voltage, and never 800 MHz.
    ProcessorClock,
    /// Buses keep their limits.
    BusClock,
    /// The internal oscillator runs at its calibrated frequency.
    Oscillator,
    /// A PLL is configured while it is off, an IC's source runs.
    PllOff,
    /// A clock that is selected runs, and the switch is awaited.
    ClockAwaited,
    /// Registers are touched only while their block is clocked.
    Clocked,
    /// Pins of a supply domain are used after that was declared valid, in its range.
    IoSupply,
    /// The flash controller is configured while it is disabled.
    ControllerOff,
    /// The controller is connected to the port that the flash is on.
    Port,
    /// The flash is reset from whatever mode it is in.
    FlashReset,
    /// After a reset nothing is sent to the flash before it has recovered.
    FlashRecovery,
    /// The flash is sent only what its mode understands.
    FlashMode,
    /// The flash is identified before it is mapped.
    FlashIdentified,
    /// The flash's clock keeps the limit of its mode.
    FlashClock,
    /// Memory is clocked and powered before it is used.
    MemoryOn,
    /// Low-overhead loops and branch prediction are on.
    LoopCache,
    /// Caches may be active: the boot ROM clears these bits.
    CachesActive,
    /// No interrupt of the boot ROM is left enabled.
    Interrupts,
    /// BSEC is clocked, without which the processor cannot sleep.
    SleepClock,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 23] = [
        Self::SupplyFirst,
        Self::SupplyAwaited,
        Self::RegulatorRaised,
        Self::RegulatorBus,
        Self::ProcessorClock,
        Self::BusClock,
        Self::Oscillator,
        Self::PllOff,
        Self::ClockAwaited,
        Self::Clocked,
        Self::IoSupply,
        Self::ControllerOff,
        Self::Port,
        Self::FlashReset,
        Self::FlashRecovery,
        Self::FlashMode,
        Self::FlashIdentified,
        Self::FlashClock,
        Self::MemoryOn,
        Self::LoopCache,
        Self::CachesActive,
        Self::Interrupts,
        Self::SleepClock,
    ];

    /// Its source.
    pub fn source(self) -> &'static str {
        match self {
            Self::SupplyFirst => {
                "HAL Src/stm32n6xx_hal_pwr_ex.c, group 1: after a system reset the supply is configured before VOS or the system clock changes; UM3300 table 6: \
                 external supply; embassy examples/stm32n6/src/bin/lcd.rs: with the internal one VOSRDY never comes"
            }
            Self::SupplyAwaited => "HAL Src/stm32n6xx_hal_pwr_ex.c, HAL_PWREx_ConfigSupply: waits for ACTVOSRDY",
            Self::RegulatorRaised => {
                "BSP stm32n6570_discovery.c, BSP_SMPS_Init: PF4 high is overdrive; UM3300 7.4.5: 0.81 V and 0.89 V; Cube Projects/STM32N6570-DK/Templates/Template/FSBL/Src/main.c: before the \
                 clocks; zephyr pull request 119588: without it 800 MHz is not stable"
            }
            Self::RegulatorBus => {
                "ST's NPU_Validation of STEdgeAI-Core, misc_toolbox.c, upscale_vddcore_level: boards before revision C01 have a TPS62864 at 0x49, register 1, 0x64 for \
                 900 mV; BSP stm32n6570_discovery_bus.c and .h: I2C2 on PD14 and PD4, function 4, open drain, 100 kHz"
            }
            Self::ProcessorClock => {
                "HAL Src/stm32n6xx_ll_utils.c, UTILS_MAX_FREQUENCY_SCALE0 and SCALE1: 800 MHz at the high voltage, 600 MHz at the low one; HAL \
                 Inc/stm32n6xx_hal_pwr_ex.h, VOS: range 0 is for the highest frequency"
            }
            Self::BusClock => "HAL Src/stm32n6xx_ll_utils.c: AXI 400 MHz; Cube Template/FSBL/Src/main.c: HCLK and PCLK 200 MHz",
            Self::Oscillator => "HAL Inc/stm32n6xx_hal_rcc.h, line 249: RCC_HSICALIBRATION_DEFAULT is 0; embassy pull request 6038: 32 gives 68 MHz",
            Self::PllOff => "HAL Src/stm32n6xx_hal_rcc.c, RCC_PLL_Config and RCC_IC_CheckPLLSources",
            Self::ClockAwaited => "HAL Src/stm32n6xx_hal_rcc.c, HAL_RCC_ClockConfig",
            Self::Clocked => "embassy-stm32 src/xspi/mod.rs, new_inner: a bus fault where a block is accessed without its clock",
            Self::IoSupply => {
                "BSP stm32n6570_discovery_xspi.c, XSPI_NOR_MspInit: VDDIO3 valid, range 1.8 V; stm32n6570_discovery.c, BSP_LED_Init: VDDIO2 valid; compensation \
                 cells: Cube system_stm32n6xx_fsbl.c, which cites ST errata ES0620: 0x287, that is 7, 8 and CS; embassy-stm32 src/rcc/n6.rs (git, August 2026) too"
            }
            Self::ControllerOff => "HAL Src/stm32n6xx_hal_xspi.c, HAL_XSPI_Init: EN last, BUSY awaited around the prescaler",
            Self::Port => "embassy examples/stm32n6-flashboot/fsbl/src/main.rs: the boot ROM leaves XSPI1 on port 2 (XSPIM MODE 1); BSP: the flash is on XSPI2",
            Self::FlashReset => {
                "BSP stm32n6570_discovery_xspi.c, XSPI_NOR_ResetMemory: on one line, on eight lines, on eight lines at both edges, since the flash outlives resets \
                 that do not reach its own pin in the mode of an earlier program; betaflight pull request 15712"
            }
            Self::FlashRecovery => {
                "embassy examples/stm32n6-flashboot/fsbl/src/xspi_flash.rs waits 200 us; flash driver mx66uw1g45g.h, MX66UW1G45G_RESET_MAX_TIME: 100 ms where a reset \
                 interrupts an erase"
            }
            Self::FlashMode => "flash driver mx66uw1g45g.c: lines, instruction width and rate of every command follow the mode",
            Self::FlashIdentified => "embassy examples/stm32n6-flashboot/fsbl/src/main.rs: a wrong identification shows a flash that does not answer",
            Self::FlashClock => {
                "BSP stm32n6570_discovery_xspi.c, BSP_XSPI_NOR_Init: starts at 50 MHz; more needs the I/O speed option of the fuses (ST community, topic 777659)"
            }
            Self::MemoryOn => {
                "Cube Projects/STM32N6570-DK/Applications/VENC/VENC_RTSP_Server/FSBL/Src/system_stm32n6xx_fsbl.c: MEMENSR, then SRAMSD cleared in RAMCFG; \
                 addresses: cmsis-device-n6 Include/stm32n657xx.h"
            }
            Self::LoopCache => {
                "Arm v8.1-M manual, CCR.LOB; rust-embedded/cortex-m issue 691 and zephyr pull request 119907: debuggers and boot code leave it 0"
            }
            Self::CachesActive => "Arm Cortex-M55 manual, MSCR.DCACTIVE and ICACTIVE; ST's AI examples set both, since the boot ROM clears them",
            Self::Interrupts => "ST's AI examples, system_init: IRQ 139 is enabled and LPTIM4 pending after the boot ROM",
            Self::SleepClock => {
                "NuttX arch/arm/src/stm32n6/stm32_start.c, which cites ST errata ES0620: with BSECEN clear the processor's sleep signals to RCC are wrong, and WFI fails"
            }
        }
    }
}

/// A breach.
#[derive(Clone, Debug)]
pub struct Breach {
    /// Of what.
    pub rule: Rule,
    /// The breach in words.
    pub what: String,
}

impl std::fmt::Display for Breach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}: {} ({})", self.rule, self.what, self.rule.source())
    }
}
