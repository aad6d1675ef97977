//! The observer that measures: ticks of every step into a static table, nothing logged meanwhile.

use core::{
    hint::black_box,
    ops::ControlFlow,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use hrvit_core::{Observer, Step, StepId, StepInfo, Tile, TileData};

use crate::{MAX_STEPS, clock::Clock, marker::Marker};

/// Ticks in two words: 64-bit atomics do not exist on these machines.
struct Sum {
    low: AtomicU32,
    high: AtomicU32,
}

impl Sum {
    const fn zero() -> Self {
        Self { low: AtomicU32::new(0), high: AtomicU32::new(0) }
    }

    /// Not atomic as a whole: the engine calls observers from one thread where there is one worker.
    #[inline(always)]
    fn add(&self, ticks: u32) {
        let (low, carry) = self.low.load(Relaxed).overflowing_add(ticks);
        self.low.store(low, Relaxed);
        if carry {
            self.high.store(self.high.load(Relaxed).wrapping_add(1), Relaxed);
        }
    }

    fn get(&self) -> u64 {
        u64::from(self.high.load(Relaxed)) << 32 | u64::from(self.low.load(Relaxed))
    }

    fn clear(&self) {
        self.low.store(0, Relaxed);
        self.high.store(0, Relaxed);
    }
}

/// Ticks per step, in canonical order.
pub struct Table([Sum; MAX_STEPS]);

impl Table {
    /// A table of zeros.
    pub const fn new() -> Self {
        Self([const { Sum::zero() }; MAX_STEPS])
    }

    /// Ticks of the step at `id`.
    pub fn ticks(&self, id: StepId) -> u64 {
        self.0.get(usize::from(id.0)).map_or(0, Sum::get)
    }
}

impl Default for Table {
    fn default() -> Self {
        Self::new()
    }
}

const IDLE: u32 = u32::MAX;

/// Sums ticks per step. The clock is read when a step begins, when it ends and whenever it made
/// data. The time since the last reading belongs to the step that made the data. So steps of the
/// head that take turns are told apart, and no interval comes near the 2^32 ticks at which the
/// clock wraps.
///
/// The time between the end of one step and the begin of the next (paging its weights in) belongs
/// to the next.
pub struct Meter<'m, C, M> {
    clock: &'m C,
    marker: &'m M,
    table: &'m Table,
    last: AtomicU32,
    current: AtomicU32,
    total: Sum,
    readings: Sum,
}

impl<'m, C: Clock, M: Marker> Meter<'m, C, M> {
    /// A meter over `table`, which it clears.
    pub fn new(clock: &'m C, marker: &'m M, table: &'m Table) -> Self {
        table.0.iter().for_each(Sum::clear);
        Self { clock, marker, table, last: AtomicU32::new(0), current: AtomicU32::new(IDLE), total: Sum::zero(), readings: Sum::zero() }
    }

    /// A frame begins now.
    pub fn begin(&self) {
        self.current.store(IDLE, Relaxed);
        self.marker.frame(true);
        self.last.store(self.clock.now(), Relaxed);
    }

    /// The frame has ended: what remains belongs to no step, only to the total.
    pub fn end(&self) {
        self.total.add(self.elapsed());
        self.marker.frame(false);
    }

    /// Ticks of all frames, those outside of steps included.
    pub fn total(&self) -> u64 {
        self.total.get()
    }

    /// How often the clock was read.
    pub fn readings(&self) -> u64 {
        self.readings.get()
    }

    /// Ticks of a thousand readings, by the way that the engine takes to an observer. Clears
    /// everything measured.
    pub fn cost_of_a_thousand(&self) -> u64 {
        let observer: &dyn Observer = black_box(self);
        let info = StepInfo { id: StepId(0), step: Step::Stem, macs: 0 };
        let tile = Tile { id: info.id, op: Some(0), y: 0, x: 0, columns: 1, data: TileData::U8(&[0]) };
        let before = self.clock.now();
        for _ in 0..1000 {
            observer.tile(black_box(tile));
        }
        let cost = self.clock.now().wrapping_sub(before);
        self.table.0.iter().chain([&self.total, &self.readings]).for_each(Sum::clear);
        cost.into()
    }

    #[inline(always)]
    fn elapsed(&self) -> u32 {
        let now = self.clock.now();
        let ticks = now.wrapping_sub(self.last.load(Relaxed));
        self.last.store(now, Relaxed);
        self.readings.add(1);
        ticks
    }

    #[inline(always)]
    fn charge(&self, step: u32) {
        let ticks = self.elapsed();
        self.total.add(ticks);
        if let Some(sum) = self.table.0.get(step as usize) {
            sum.add(ticks);
        }
    }
}

impl<C: Clock, M: Marker> Observer for Meter<'_, C, M> {
    fn enter(&self, step: StepInfo) -> ControlFlow<()> {
        let id = u32::from(step.id.0);
        let current = self.current.load(Relaxed);
        self.charge(if current == IDLE { id } else { current });
        self.current.store(id, Relaxed);
        self.marker.high();
        ControlFlow::Continue(())
    }

    fn leave(&self, step: StepInfo) {
        self.marker.low();
        self.charge(step.id.0.into());
        self.current.store(IDLE, Relaxed);
    }

    fn tile(&self, tile: Tile<'_>) {
        // Results of steps come from the first core, whose time is measured; the rest may
        // come from the second one too.
        if cfg!(feature = "two-cores") && tile.op.is_some() {
            return;
        }
        self.charge(tile.id.0.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Unit, marker::NoMarker};

    /// A clock that the test sets.
    struct Hand(AtomicU32);
    impl Clock for Hand {
        fn now(&self) -> u32 {
            self.0.load(Relaxed)
        }
        fn unit(&self) -> Unit {
            Unit::Ticks
        }
        fn hertz(&self) -> u32 {
            1
        }
        fn ticks_per_second(&self) -> u32 {
            1
        }
    }

    fn info(id: u16) -> StepInfo {
        StepInfo { id: StepId(id), step: Step::Stem, macs: 0 }
    }

    fn made_by(id: u16) -> Tile<'static> {
        Tile { id: StepId(id), op: None, y: 0, x: 0, columns: 1, data: TileData::U8(&[]) }
    }

    #[test]
    fn intervals_wrap_and_sums_exceed_32_bits() {
        let (clock, table) = (Hand(AtomicU32::new(u32::MAX - 9)), Table::new());
        let meter = Meter::new(&clock, &NoMarker, &table);
        meter.begin();
        assert!(meter.enter(info(3)).is_continue());
        for _ in 0..3 {
            clock.0.store(clock.now().wrapping_add(0xf000_0000), Relaxed);
            meter.tile(made_by(3));
        }
        meter.leave(info(3));
        meter.end();
        assert_eq!((table.ticks(StepId(3)), meter.total()), (3 * 0xf000_0000, 3 * 0xf000_0000));
    }

    #[test]
    fn steps_that_take_turns_are_told_apart() {
        let (clock, table) = (Hand(AtomicU32::new(0)), Table::new());
        let meter = Meter::new(&clock, &NoMarker, &table);
        let after = |ticks| clock.0.store(clock.now() + ticks, Relaxed);
        meter.begin();
        after(1);
        assert!(meter.enter(info(0)).is_continue());
        after(10);
        assert!(meter.enter(info(1)).is_continue());
        for _ in 0..2 {
            after(100);
            meter.tile(made_by(0));
            after(1000);
            meter.tile(made_by(1));
        }
        after(1);
        meter.leave(info(1));
        after(1);
        meter.leave(info(0));
        after(7);
        meter.end();
        assert_eq!((table.ticks(StepId(0)), table.ticks(StepId(1)), meter.total()), (212, 2001, 2220));
    }
}
