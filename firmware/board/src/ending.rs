//! How a program ends.

use cortex_m::asm::{delay, wfi};
use cortex_m_machine::{debugger_listens, exit};
use hrvit_log::End;

use crate::{Outputs, outputs};

/// Ends the program: logs the exit code and shows it. A program with a debugger stops here. Without
/// one, green (or the only LED) stays on if all is well. Else red blinks as often as the exit code
/// says, again and again.
pub fn end(code: i32) -> ! {
    let shown = outputs();
    // Codes are below 256.
    defmt::info!("{}", End { code: code as u8 });
    if let Some(Outputs { flush, good, bad, .. }) = shown {
        flush();
        bad(false);
        good(code == 0);
    }
    if debugger_listens() {
        exit(code)
    }
    match shown {
        Some(outputs) => stay(code, outputs),
        None => sleep(),
    }
}

fn stay(code: i32, Outputs { bad, hertz, .. }: Outputs) -> ! {
    /// Time that programs stay before they begin again, in the units of a blink.
    const UNITS: u32 = 40;
    let mut units = 0;
    let mut pause = |count: u32| {
        delay(hertz / 4 * count);
        units += count;
        if cfg!(feature = "repeat") && units >= UNITS {
            cortex_m::peripheral::SCB::sys_reset();
        }
    };
    if code == 0 {
        if cfg!(feature = "repeat") {
            pause(UNITS);
        }
        sleep();
    }
    loop {
        for _ in 0..code {
            bad(true);
            pause(1);
            bad(false);
            pause(1);
        }
        pause(4);
    }
}

fn sleep() -> ! {
    loop {
        wfi();
    }
}
