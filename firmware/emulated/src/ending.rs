//! How a program ends.

use semihosting::process;

/// Ends QEMU with the exit code; over a serial port the log says so too, since whoever listens
/// there sees nothing else of it.
pub(crate) fn exit(code: i32) -> ! {
    #[cfg(feature = "serial")]
    {
        // Codes are below 256.
        defmt::info!("{}", hrvit_log::End { code: code as u8 });
        defmt::flush();
        crate::serial::wait_until_heard();
    }
    process::exit(code)
}
