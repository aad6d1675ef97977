//! The board's octal flash (Macronix MX66UW1G45G, 128 MB) on XSPI2, mapped to memory.

use core::fmt;

use stm32_metapac::{
    RCC, XSPI2, XSPIM,
    xspi::vals::{CcrAdmode, CcrAdsize, CcrDmode, CcrImode, CcrIsize, Csht, Fmode, Fthres, Mtyp, WccrAdmode, WccrAdsize, WccrDmode, WccrImode, WccrIsize},
};

use super::pins::{Pin, Port};
use crate::{Registers, RegistersExt, Stuck};

/// Address of the mapped flash.
pub const MAPPED_AT: usize = 0x7000_0000;
/// Its bytes: 2 to the power of 27.
pub const BYTES: usize = 1 << 27;
const SIZE: u8 = 27 - 1;

/// Chip select, clock and eight data lines.
const PINS: [usize; 10] = [1, 6, 2, 3, 4, 5, 8, 9, 10, 11];
const SELECT: usize = 1;
const FUNCTION: u8 = 9;
/// Divides 200 MHz to 50, the most without the I/O speed option of the fuses.
const PRESCALER: u8 = 4 - 1;

/// First byte of the identification: Macronix.
const MAKER: u8 = 0xc2;
const RESET_ENABLE: u8 = 0x66;
const RESET: u8 = 0x99;
const IDENTIFY: u8 = 0x9f;
const WRITE_ENABLE: u8 = 0x06;
const READ_CONFIG_2: u8 = 0x71;
const WRITE_CONFIG_2: u8 = 0x72;
/// Value of configuration register 2 at address 0: eight lines, one edge.
const OCTAL: u8 = 0x01;
const OCTAL_READ: u8 = 0xec;
const OCTAL_PROGRAM: u8 = 0x12;
/// Idle cycles between address and data: of a read (after a reset the flash expects these), and of
/// a register.
const READ_CYCLES: u8 = 20;
const REGISTER_CYCLES: u8 = 4;
/// A reset takes less, but 100 ms where it interrupts an erase.
const RECOVERY_US: u32 = 200;
const RETRY_US: u32 = 1000;
const RETRIES: usize = 120;

/// Why the flash could not be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashError {
    /// The controller does not get on.
    Stuck(Stuck),
    /// Not the flash that the board has; its identification.
    Unknown([u8; 3]),
    /// It stays on one line: what configuration register 2 reads as on eight.
    NotOctal(u8),
}

impl From<Stuck> for FlashError {
    fn from(stuck: Stuck) -> Self {
        Self::Stuck(stuck)
    }
}

impl fmt::Display for FlashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stuck(stuck) => write!(f, "octal flash: {stuck}"),
            Self::Unknown([a, b, c]) => write!(f, "the octal flash does not answer: identification {a:02x} {b:02x} {c:02x}, expected c2 first"),
            Self::NotOctal(found) => write!(f, "the octal flash does not answer on eight lines: register {found:02x}, expected 01"),
        }
    }
}

impl core::error::Error for FlashError {}

/// How commands go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// One line, one byte.
    Single,
    /// Eight lines; the byte and its inverse.
    Octal,
    /// Eight lines at both edges.
    OctalDouble,
}

#[derive(Clone, Copy, Debug)]
struct Command {
    mode: Mode,
    code: u8,
    address: Option<u32>,
    cycles: u8,
    data: Data,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Data {
    None,
    Read(u32),
    Write(u32),
}

impl Command {
    const fn new(mode: Mode, code: u8) -> Self {
        Self { mode, code, address: None, cycles: 0, data: Data::None }
    }

    fn instruction(self) -> u32 {
        match self.mode {
            Mode::Single => self.code.into(),
            _ => u16::from_be_bytes([self.code, !self.code]).into(),
        }
    }

    /// Field of the lines: 1 is one, 4 is eight.
    fn lines(self) -> u8 {
        if self.mode == Mode::Single { 1 } else { 4 }
    }

    /// Writes the registers in the order that makes the controller begin. A command without address
    /// and data goes out with the instruction, else with the address, else with the data.
    fn describe(self, registers: &mut impl Registers, function: Fmode) {
        registers.modify(XSPI2.cr(), |w| w.set_fmode(function));
        registers.modify(XSPI2.tcr(), |w| {
            w.set_dcyc(self.cycles);
            w.set_sshift(true);
        });
        if let Data::Read(bytes) | Data::Write(bytes) = self.data {
            registers.write(XSPI2.dlr(), |w| w.set_dl(bytes - 1));
        }
        registers.write(XSPI2.ccr(), |w| {
            w.set_imode(CcrImode::from_bits(self.lines()));
            w.set_isize(CcrIsize::from_bits((self.mode != Mode::Single).into()));
            w.set_idtr(self.mode == Mode::OctalDouble);
            if self.address.is_some() {
                w.set_admode(CcrAdmode::from_bits(self.lines()));
                w.set_adsize(CcrAdsize::B_0X3);
            }
            if self.data != Data::None {
                w.set_dmode(CcrDmode::from_bits(self.lines()));
            }
        });
        registers.write(XSPI2.ir(), |w| w.set_instruction(self.instruction()));
        if let Some(address) = self.address {
            registers.write(XSPI2.ar(), |w| w.set_address(address));
        }
    }

    /// Sends it.
    fn send(self, registers: &mut impl Registers) -> Result<(), Stuck> {
        self.transfer(registers, &mut [], &[])
    }

    fn transfer(self, registers: &mut impl Registers, read: &mut [u8], written: &[u8]) -> Result<(), Stuck> {
        registers.until("the flash controller", XSPI2.sr(), |sr| !sr.busy())?;
        self.describe(registers, if read.is_empty() { Fmode::B_0X0 } else { Fmode::B_0X1 });
        let queue = XSPI2.dr().as_ptr().addr() as u32;
        for byte in read {
            registers.until("a byte of the flash", XSPI2.sr(), |sr| sr.ftf() || sr.tcf())?;
            *byte = registers.load_byte(queue);
        }
        for &byte in written {
            registers.until("room for a byte to the flash", XSPI2.sr(), |sr| sr.ftf())?;
            registers.store_byte(queue, byte);
        }
        registers.until("the end of a transfer", XSPI2.sr(), |sr| sr.tcf())?;
        registers.write(XSPI2.fcr(), |w| w.set_ctcf(true));
        Ok(())
    }
}

/// Maps the flash: octal reads at 50 MHz, 8 bits at a time. After [`super::start`].
///
/// # Errors
/// If controller or flash do not answer as they must.
pub fn map(registers: &mut impl Registers) -> Result<(), FlashError> {
    connect(registers)?;
    reset(registers)?;
    identify(registers)?;
    Command::new(Mode::Single, WRITE_ENABLE).send(registers)?;
    let configure = Command { address: Some(0), data: Data::Write(1), ..Command::new(Mode::Single, WRITE_CONFIG_2) };
    configure.transfer(registers, &mut [], &[OCTAL])?;
    let mut found = [0];
    let check = Command { address: Some(0), cycles: REGISTER_CYCLES, data: Data::Read(1), ..Command::new(Mode::Octal, READ_CONFIG_2) };
    check.transfer(registers, &mut found, &[])?;
    if found != [OCTAL] {
        return Err(FlashError::NotOctal(found[0]));
    }
    Ok(memory_mapped(registers)?)
}

/// Resets both controllers, whichever of them the boot ROM used, connects XSPI2 to the flash's port
/// and sets it up.
fn connect(registers: &mut impl Registers) -> Result<(), Stuck> {
    registers.write(RCC.ahb5ensr(), |w| {
        w.set_xspi1ens(true);
        w.set_xspi2ens(true);
        w.set_xspimens(true);
    });
    registers.write(RCC.ahb5rstsr(), |w| {
        w.set_xspi1rsts(true);
        w.set_xspi2rsts(true);
        w.set_xspimrsts(true);
    });
    registers.write(RCC.ahb5rstcr(), |w| {
        w.set_xspi1rstc(true);
        w.set_xspi2rstc(true);
        w.set_xspimrstc(true);
    });
    registers.write(XSPIM.cr(), |w| {
        w.set_req2ack_time(1);
        w.set_cssel_ovr_en(true);
    });
    for number in PINS {
        Pin::new(Port::N, number).alternate(registers, FUNCTION, number == SELECT);
    }
    registers.write(XSPI2.dcr1(), |w| {
        w.set_mtyp(Mtyp::B_0X1);
        w.set_devsize(SIZE);
        w.set_csht(Csht::B_0X1);
    });
    registers.until("the flash controller", XSPI2.sr(), |sr| !sr.busy())?;
    registers.write(XSPI2.dcr2(), |w| w.set_prescaler(PRESCALER));
    registers.until("the flash controller's calibration", XSPI2.sr(), |sr| !sr.busy())?;
    registers.write(XSPI2.cr(), |w| w.set_fthres(Fthres::B_0X0));
    registers.modify(XSPI2.cr(), |w| w.set_en(true));
    Ok(())
}

/// Back to one line, from any mode that an earlier program left. The flash outlives resets that do
/// not reach its own pin. ST's loader leaves it on eight lines at both edges.
fn reset(registers: &mut impl Registers) -> Result<(), Stuck> {
    for mode in [Mode::OctalDouble, Mode::Octal, Mode::Single] {
        let told = Command::new(mode, RESET_ENABLE).send(registers).and_then(|()| Command::new(mode, RESET).send(registers));
        if told.is_err() {
            // A flash in another mode may leave the controller waiting.
            abort(registers)?;
        }
        registers.wait(RECOVERY_US);
    }
    Ok(())
}

/// Ends a command that does not end by itself.
fn abort(registers: &mut impl Registers) -> Result<(), Stuck> {
    registers.modify(XSPI2.cr(), |w| w.set_abort(true));
    registers.until("the flash controller to give up a command", XSPI2.sr(), |sr| !sr.busy())?;
    registers.write(XSPI2.fcr(), |w| w.set_ctcf(true));
    Ok(())
}

/// Reads the identification until it is Macronix's, as long as an interrupted erase may take.
fn identify(registers: &mut impl Registers) -> Result<(), FlashError> {
    let mut id = [0; 3];
    for _ in 0..RETRIES {
        Command { data: Data::Read(3), ..Command::new(Mode::Single, IDENTIFY) }.transfer(registers, &mut id, &[])?;
        if id[0] == MAKER {
            return Ok(());
        }
        registers.wait(RETRY_US);
    }
    Err(FlashError::Unknown(id))
}

/// From now on reads of memory are reads of the flash. Nothing writes there, but the controller
/// wants to know how.
fn memory_mapped(registers: &mut impl Registers) -> Result<(), Stuck> {
    registers.until("the flash controller", XSPI2.sr(), |sr| !sr.busy())?;
    let program = Command::new(Mode::Octal, OCTAL_PROGRAM);
    registers.write(XSPI2.wccr(), |w| {
        w.set_imode(WccrImode::from_bits(program.lines()));
        w.set_isize(WccrIsize::B_0X1);
        w.set_admode(WccrAdmode::from_bits(program.lines()));
        w.set_adsize(WccrAdsize::B_0X3);
        w.set_dmode(WccrDmode::from_bits(program.lines()));
    });
    registers.write(XSPI2.wtcr(), |w| w.set_dcyc(0));
    registers.write(XSPI2.wir(), |w| w.set_instruction(program.instruction()));
    let read = Command { address: Some(0), cycles: READ_CYCLES, data: Data::Read(1), ..Command::new(Mode::Octal, OCTAL_READ) };
    // Not yet a read: described as a write, it waits for data.
    read.describe(registers, Fmode::B_0X0);
    registers.modify(XSPI2.cr(), |w| w.set_fmode(Fmode::B_0X3));
    registers.barrier();
    Ok(())
}
