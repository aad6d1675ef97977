//! STM32N6570-DK, from the boot ROM to a mapped flash.
//!
//! Two ways lead here. In development mode the debugger loads the program, and everything is as
//! after a reset. From the flash, the boot ROM has copied the program, left PLL1 on and XSPI1 on
//! the flash's port. The sequences cope with both.

mod clocks;
mod flash;
mod memories;
mod pins;
mod power;
mod regulator;
mod serial;

use crate::{Registers, Stuck, cortex};

pub use clocks::Speed;
pub use flash::{BYTES as FLASH_BYTES, FlashError, MAPPED_AT, map};
pub use pins::{Pin, Port};
pub use serial::Serial;

/// Brings up supply, voltage, clocks and memories; `speed` is the processor's from then on.
///
/// # Errors
/// Names what was waited for in vain.
pub fn start(registers: &mut impl Registers, speed: &Speed) -> Result<(), Stuck> {
    cortex::quieten(registers);
    cortex::loop_cache(registers);
    cortex::allow_caches(registers);
    clocks::internal(registers)?;
    power::external(registers)?;
    power::pins(registers)?;
    if speed.overdrive {
        power::overdrive(registers)?;
    }
    clocks::set(registers, speed)?;
    memories::enable(registers);
    Ok(())
}
