//! The board's serial flash (Micron MT25TL01G: two chips of 64 MB, read side by side), mapped to
//! memory.
//!
//! In dual mode each chip holds every other byte: so does the loader of STM32CubeProgrammer write
//! it. That loader, and ST's demonstration, leave both chips on four lines, or at both edges, which
//! outlasts resets of the processor: they are reset first.

use embassy_stm32::{
    Peri,
    gpio::{AfType, Flex, OutputType, Speed},
    mode::Blocking,
    peripherals,
    qspi::{
        Config, Qspi, TransferConfig,
        enums::{AddressSize, ChipSelectHighTime, DummyCycles, MemorySize, QspiWidth, SampleShifting},
    },
};

/// Address of the mapped flash, and its bytes.
const MAPPED: (*const u8, usize) = (0x9000_0000 as *const u8, 128 << 20);
const RESET_ENABLE: u8 = 0x66;
const RESET: u8 = 0x99;
const IDENTIFY: u8 = 0x9f;
/// First byte of the identification: Micron. Both chips answer, byte for byte in turn.
const MAKER: u8 = 0x20;
/// Quad output fast read, four address bytes.
const QUAD_READ: u8 = 0x6c;
/// Milliseconds that a reset takes: up to 40 us, or as long as this if it interrupts an erase.
const RETRIES: u32 = 100;
/// Alternate function of the second chip's data lines.
const SECOND_CHIP: u8 = 9;

/// The board's pins.
pub struct Pins {
    /// The controller.
    pub qspi: Peri<'static, peripherals::QUADSPI>,
    /// Clock of both chips.
    pub clock: Peri<'static, peripherals::PF10>,
    /// Chip select of both chips.
    pub select: Peri<'static, peripherals::PG6>,
    /// Data lines of the first chip.
    pub first: (Peri<'static, peripherals::PD11>, Peri<'static, peripherals::PF9>, Peri<'static, peripherals::PF7>, Peri<'static, peripherals::PF6>),
    /// Data lines of the second chip.
    pub second: (Peri<'static, peripherals::PH2>, Peri<'static, peripherals::PH3>, Peri<'static, peripherals::PG9>, Peri<'static, peripherals::PG14>),
}

/// Not the flash that the board has: the identification of both chips, byte for byte in turn.
pub struct Unknown([u8; 6]);

impl defmt::Format for Unknown {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "the serial flash does not answer: identification {=[u8; 6]:02x}, expected 20 20 first; power-cycle the board", self.0);
    }
}

/// Maps the flash and returns it: quad output reads at an eighth of the processor's clock (50 or 60
/// MHz), 8 bits at a time.
pub fn map(pins: Pins) -> Result<&'static [u8], Unknown> {
    let (d0, d1, d2, d3) = pins.second;
    for mut line in [Flex::new(d0), Flex::new(d1), Flex::new(d2), Flex::new(d3)] {
        line.set_as_af_unchecked(SECOND_CHIP, AfType::output(OutputType::PushPull, Speed::VeryHigh));
        core::mem::forget(line);
    }
    let mut config = Config::default();
    config.memory_size = MemorySize::_128MiB;
    config.address_size = AddressSize::_32bit;
    config.prescaler = 3;
    config.cs_high_time = ChipSelectHighTime::_4Cycle;
    config.sample_shifting = SampleShifting::HalfCycle;
    config.dual_flash = true;
    let (d0, d1, d2, d3) = pins.first;
    let mut qspi = Qspi::new_blocking_bank1(pins.qspi, d0, d1, d2, d3, pins.clock, pins.select, config);
    reset(&mut qspi);
    identify(&mut qspi)?;
    qspi.enable_memory_map(&TransferConfig {
        iwidth: QspiWidth::SING,
        awidth: QspiWidth::SING,
        dwidth: QspiWidth::QUAD,
        instruction: QUAD_READ,
        address: None,
        dummy: DummyCycles::_8,
    });
    // Its pins and the controller stay as they are.
    core::mem::forget(qspi);
    fence();
    // SAFETY: the controller answers reads there from now on, and nothing writes to the flash.
    Ok(unsafe { core::slice::from_raw_parts(MAPPED.0, MAPPED.1) })
}

/// A command without address and data.
fn command(instruction: u8, lines: QspiWidth) -> TransferConfig {
    TransferConfig { iwidth: lines, awidth: QspiWidth::NONE, dwidth: QspiWidth::NONE, instruction, address: None, dummy: DummyCycles::_0 }
}

/// Back to one line and one edge. Instructions are read at one edge in every mode; where an address
/// follows them, it may be at both.
fn reset(qspi: &mut Qspi<'static, peripherals::QUADSPI, Blocking>) {
    for lines in [QspiWidth::QUAD, QspiWidth::SING] {
        for instruction in [RESET_ENABLE, RESET] {
            qspi.blocking_command(command(instruction, lines));
        }
        millisecond();
    }
}

/// Reads the identification until both chips answer, as long as an interrupted erase may take.
fn identify(qspi: &mut Qspi<'static, peripherals::QUADSPI, Blocking>) -> Result<(), Unknown> {
    let mut id = [0; 6];
    for _ in 0..RETRIES {
        qspi.blocking_read(&mut id, TransferConfig { dwidth: QspiWidth::SING, ..command(IDENTIFY, QspiWidth::SING) });
        if let [MAKER, MAKER, ..] = id {
            return Ok(());
        }
        millisecond();
    }
    Err(Unknown(id))
}

/// At least that long.
fn millisecond() {
    cortex_m::asm::delay(crate::clocks::HERTZ / 1000);
}

/// Keeps speculative reads of the Cortex-M7 within the flash: the controller would wait for ever on
/// an address behind it.
fn fence() {
    /// Execute never, no access, strongly ordered: 256 MB.
    const BEHIND: (u32, u32) = (1 << 28, 27 << 1 | 1);
    /// Execute never, read only, normal memory, write-through: 128 MB.
    const FLASH: (u32, u32) = (1 << 28 | 6 << 24 | 1 << 17, 26 << 1 | 1);
    // SAFETY: nothing else uses the memory protection unit, and both regions cover the flash's
    // addresses only.
    unsafe {
        let mpu = cortex_m::Peripherals::steal().MPU;
        for (number, (attributes, size)) in (0..).zip([BEHIND, FLASH]) {
            mpu.rnr.write(number);
            mpu.rbar.write(MAPPED.0.addr() as u32);
            mpu.rasr.write(attributes | size);
        }
        // Everywhere else the default memory map.
        mpu.ctrl.write(1 << 2 | 1);
    }
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}
