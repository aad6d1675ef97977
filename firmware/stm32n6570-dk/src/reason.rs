//! Why the board did not come up, for the log.

use bring_up::{Stuck, n6::FlashError};

/// Supply, clocks or flash.
pub struct Reason(pub FlashError);

impl defmt::Format for Reason {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self.0 {
            FlashError::Stuck(Stuck(what)) => defmt::write!(f, "waited in vain for {=str}", what),
            FlashError::Unknown(id) => defmt::write!(f, "the octal flash does not answer: identification {=[u8; 3]:02x}, expected c2 first", id),
            FlashError::NotOctal(found) => defmt::write!(f, "the octal flash does not answer on eight lines: register {=u8:02x}, expected 01", found),
        }
    }
}
