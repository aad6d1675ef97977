//! Clocks: what a step's cost is counted in.

pub use hrvit_log::Unit;

/// A counter that always runs and wraps at 2^32.
pub trait Clock: Sync {
    /// The counter.
    fn now(&self) -> u32;

    /// Unit of [`Clock::in_unit`].
    fn unit(&self) -> Unit;

    /// Units per second; 0 where a unit has no fixed length.
    fn hertz(&self) -> u32;

    /// Ticks by which [`Clock::now`] advances in a second of time.
    fn ticks_per_second(&self) -> u32;

    /// `ticks` of the counter in [`Clock::unit`].
    fn in_unit(&self, ticks: u64) -> u64 {
        ticks
    }
}

/// The cycle counter in the debug hardware of Cortex-M processors (DWT). QEMU does not have it.
#[derive(Clone, Copy, Debug)]
pub struct CycleCounter {
    #[cfg(target_arch = "arm")]
    hertz: u32,
}

#[cfg(target_arch = "arm")]
impl CycleCounter {
    const DEMCR: *mut u32 = 0xe000_edfc as *mut u32;
    const DWT_CTRL: *mut u32 = 0xe000_1000 as *mut u32;
    const DWT_CYCCNT: *mut u32 = 0xe000_1004 as *mut u32;
    const DWT_LAR: *mut u32 = 0xe000_1fb0 as *mut u32;
    const TRACE: u32 = 1 << 24;
    const UNLOCK: u32 = 0xc5ac_ce55;

    /// Lets it run; the processor's clock is `hertz`.
    pub fn start(hertz: u32) -> Self {
        // SAFETY: registers of the debug hardware, at the same addresses in every Cortex-M; nothing
        // else in these programs uses them.
        unsafe {
            Self::DEMCR.write_volatile(Self::DEMCR.read_volatile() | Self::TRACE);
            // The Cortex-M7 locks its registers; elsewhere this writes to nothing.
            Self::DWT_LAR.write_volatile(Self::UNLOCK);
            Self::DWT_CYCCNT.write_volatile(0);
            Self::DWT_CTRL.write_volatile(Self::DWT_CTRL.read_volatile() | 1);
        }
        Self { hertz }
    }
}

#[cfg(target_arch = "arm")]
impl Clock for CycleCounter {
    #[inline(always)]
    fn now(&self) -> u32 {
        // SAFETY: reading the counter changes nothing.
        unsafe { Self::DWT_CYCCNT.read_volatile() }
    }

    fn unit(&self) -> Unit {
        Unit::Cycles
    }

    fn hertz(&self) -> u32 {
        self.hertz
    }

    fn ticks_per_second(&self) -> u32 {
        self.hertz
    }
}

/// A free-running counter of an emulated machine, read without side effects.
pub trait Counter: Sync {
    /// Ticks per second of emulated time, whole MHz.
    const HERTZ: u32;

    /// Lets it run.
    fn start();

    /// The counter, which counts up and wraps at 2^32.
    fn read() -> u32;
}

/// A counter of QEMU that knows instructions where QEMU counts them.
///
/// With `-icount shift=S` every instruction takes exactly 2^S ns of emulated time. Timing a loop of
/// known length tells whether that is so, and S. Without icount the emulated time is the host's,
/// and the unit is ticks.
#[derive(Clone, Copy, Debug)]
pub struct Emulated<T> {
    shift: Option<u32>,
    counter: core::marker::PhantomData<T>,
}

/// Instructions of the calibration loop.
const LOOP: u32 = 1_000_000;
/// Largest S that is looked for (QEMU's own limit).
const MAX_SHIFT: u32 = 10;

impl<T: Counter> Emulated<T> {
    /// Starts the counter and times the loop four times, which host time does not make agree by
    /// chance.
    pub fn calibrate() -> Self {
        T::start();
        let mut shift = None;
        for round in 0..4 {
            let found = shift_of(T::HERTZ, time_loop::<T>());
            if round > 0 && found != shift {
                return Self { shift: None, counter: core::marker::PhantomData };
            }
            shift = found;
        }
        Self { shift, counter: core::marker::PhantomData }
    }
}

impl<T: Counter> Clock for Emulated<T> {
    #[inline(always)]
    fn now(&self) -> u32 {
        T::read()
    }

    fn unit(&self) -> Unit {
        if self.shift.is_some() { Unit::Instructions } else { Unit::Ticks }
    }

    fn hertz(&self) -> u32 {
        if self.shift.is_some() { 0 } else { T::HERTZ }
    }

    fn ticks_per_second(&self) -> u32 {
        T::HERTZ
    }

    fn in_unit(&self, ticks: u64) -> u64 {
        match self.shift {
            // ticks / hertz seconds, each 10^9 / 2^S instructions.
            Some(shift) => ticks.saturating_mul(1000) / (u64::from(T::HERTZ / 1_000_000) << shift).max(1),
            None => ticks,
        }
    }
}

/// The S at which [`LOOP`] instructions take `ticks` of a counter of `hertz`; the reading itself
/// and the phase of the tick are allowed for.
fn shift_of(hertz: u32, ticks: u32) -> Option<u32> {
    (0..=MAX_SHIFT).find(|shift| {
        let exact = (u64::from(LOOP) * u64::from(hertz) / 1_000_000_000) << shift;
        let reading = exact / 10_000 + 2;
        (exact..=exact + reading).contains(&u64::from(ticks))
    })
}

/// Ticks of a loop of [`LOOP`] instructions.
#[inline(never)]
fn time_loop<T: Counter>() -> u32 {
    let before = T::read();
    // SAFETY: counts a register down; nothing else is touched.
    #[cfg(target_arch = "arm")]
    unsafe {
        core::arch::asm!("2:", "subs {n}, {n}, #1", "bne 2b", n = inout(reg) LOOP / 2 => _, options(nomem, nostack))
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        core::arch::asm!("2:", "subs {n}, {n}, #1", "b.ne 2b", n = inout(reg) u64::from(LOOP / 2) => _, options(nomem, nostack))
    }
    T::read().wrapping_sub(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct At25MHz;
    impl Counter for At25MHz {
        const HERTZ: u32 = 25_000_000;
        fn start() {}
        fn read() -> u32 {
            0
        }
    }

    #[test]
    fn shift_is_found_from_the_length_of_the_loop() {
        assert_eq!(shift_of(25_000_000, 1_600_002), Some(6));
        assert_eq!(shift_of(32_000_000, 1_024_001), Some(5));
        assert_eq!(shift_of(1_000_000_000, 1_000_006), Some(0));
    }

    #[test]
    fn host_time_is_no_shift() {
        assert_eq!([17_000, 24_000, 26_000, 70_000].map(|ticks| shift_of(25_000_000, ticks)), [None; 4]);
    }

    #[test]
    fn ticks_become_instructions_beyond_2_pow_32() {
        let clock = Emulated::<At25MHz> { shift: Some(6), counter: core::marker::PhantomData };
        assert_eq!(clock.in_unit(16), 10);
        assert_eq!(clock.in_unit(1_600_000_000_000_000), 1_000_000_000_000_000);
    }
}
