//! The board's octal flash (Macronix MX66UW1G45G, 128 MB), mapped to memory.

use embassy_stm32::{
    Peri,
    mode::Blocking,
    peripherals,
    xspi::{AddressSize, ChipSelectHighTime, Config, DummyCycles, FIFOThresholdLevel, MemorySize, MemoryType, TransferConfig, Xspi, XspiError, XspiWidth},
};

/// Where the flash appears, and its bytes.
const MAPPED: (*const u8, usize) = (0x7000_0000 as *const u8, 128 << 20);
/// First byte of the identification: Macronix.
const MAKER: u8 = 0xc2;

const RESET_ENABLE: u32 = 0x66;
const RESET: u32 = 0x99;
const IDENTIFY: u32 = 0x9f;
const WRITE_ENABLE: u32 = 0x06;
const WRITE_CONFIG_2: u32 = 0x72;
/// Value of configuration register 2 at address 0: eight lines, one bit per clock.
const OCTAL: u8 = 0x01;
/// Read on eight lines; commands have two bytes there, the second the inverse of the first.
const OCTAL_READ: u32 = 0xec13;
const OCTAL_PROGRAM: u32 = 0x12ed;

/// The board's pins.
pub struct Pins {
    /// The controller.
    pub xspi: Peri<'static, peripherals::XSPI2>,
    /// Clock.
    pub clock: Peri<'static, peripherals::PN6>,
    /// Chip select.
    pub select: Peri<'static, peripherals::PN1>,
    /// Data lines 0 to 3.
    pub low: (Peri<'static, peripherals::PN2>, Peri<'static, peripherals::PN3>, Peri<'static, peripherals::PN4>, Peri<'static, peripherals::PN5>),
    /// Data lines 4 to 7.
    pub high: (Peri<'static, peripherals::PN8>, Peri<'static, peripherals::PN9>, Peri<'static, peripherals::PN10>, Peri<'static, peripherals::PN11>),
}

/// Why the flash could not be mapped.
pub enum FlashError {
    /// The controller refused a transfer.
    Controller,
    /// Not the flash that the board has; its identification.
    Unknown([u8; 3]),
}

impl From<XspiError> for FlashError {
    fn from(_: XspiError) -> Self {
        Self::Controller
    }
}

impl defmt::Format for FlashError {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self {
            Self::Controller => defmt::write!(f, "the flash controller refused a transfer"),
            Self::Unknown(id) => defmt::write!(f, "the octal flash does not answer (identification {=[u8; 3]:02x}, expected c2 85 3b)", *id),
        }
    }
}

/// Maps the flash and returns it: octal reads at 50 MHz, 8 bits at a time.
pub fn map(pins: Pins) -> Result<&'static [u8], FlashError> {
    let config = Config {
        fifo_threshold: FIFOThresholdLevel::_4Bytes,
        memory_type: MemoryType::Macronix,
        device_size: MemorySize::_128MiB,
        chip_select_high_time: ChipSelectHighTime::_2Cycle,
        clock_prescaler: 3,
        sample_shifting: true,
        ..Default::default()
    };
    let (low, high) = (pins.low, pins.high);
    let mut flash = Xspi::new_blocking_xspi(pins.xspi, pins.clock, low.0, low.1, low.2, low.3, high.0, high.1, high.2, high.3, pins.select, config);
    reset(&mut flash)?;
    let mut id = [0; 3];
    flash.blocking_read(&mut id, TransferConfig { dwidth: XspiWidth::SING, ..single(IDENTIFY) })?;
    if id.first() != Some(&MAKER) {
        return Err(FlashError::Unknown(id));
    }
    flash.blocking_command(&single(WRITE_ENABLE))?;
    let register =
        TransferConfig { adwidth: XspiWidth::SING, adsize: AddressSize::_32bit, address: Some(0), dwidth: XspiWidth::SING, ..single(WRITE_CONFIG_2) };
    flash.blocking_write(&[OCTAL], register)?;
    let data = |command| TransferConfig { adwidth: XspiWidth::OCTO, adsize: AddressSize::_32bit, dwidth: XspiWidth::OCTO, ..octal(command) };
    flash.enable_memory_mapped_mode(TransferConfig { dummy: DummyCycles::_20, ..data(OCTAL_READ) }, data(OCTAL_PROGRAM))?;
    // Its pins and the controller stay as they are.
    core::mem::forget(flash);
    // SAFETY: the controller answers reads there from now on, and nothing writes to the flash.
    Ok(unsafe { core::slice::from_raw_parts(MAPPED.0, MAPPED.1) })
}

/// Back to one line, from wherever an earlier program left it.
fn reset(flash: &mut Xspi<'static, peripherals::XSPI2, Blocking>) -> Result<(), FlashError> {
    for command in [RESET_ENABLE, RESET] {
        flash.blocking_command(&octal(command << 8 | (!command & 0xff)))?;
    }
    for command in [RESET_ENABLE, RESET] {
        flash.blocking_command(&single(command))?;
    }
    // It takes up to 100 us.
    cortex_m::asm::delay(crate::clocks::HERTZ / 1000);
    Ok(())
}

fn single(command: u32) -> TransferConfig {
    TransferConfig { iwidth: XspiWidth::SING, isize: AddressSize::_8bit, instruction: Some(command), ..Default::default() }
}

fn octal(command: u32) -> TransferConfig {
    TransferConfig { iwidth: XspiWidth::OCTO, isize: AddressSize::_16bit, instruction: Some(command), ..Default::default() }
}
