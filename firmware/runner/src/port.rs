//! Frames that come over a serial port, a row at a time. The program asks for each row in its log.
//! The listener answers ([`hrvit_log::answer`]). Nothing has to hold a whole frame. No byte comes
//! while the processor does something else.

use defmt::Format;
use hrvit_log::{Want, answer};

use crate::{clock::Clock, golden::RowLost};

/// Times that a row is asked for, once a frame has begun.
const TRIES: u16 = 5;
/// The most bytes of earlier answers that are thrown away before a question.
const STALE: usize = 1 << 16;

/// The receiving half of a serial port.
#[derive(Clone, Copy, Debug)]
pub struct Port {
    /// The next byte that has come, if one has.
    pub receive: fn() -> Option<u8>,
    /// Times that the first row of a frame is asked for, half a second apart, before nobody is
    /// taken to be there.
    pub patience: u16,
}

/// The rows of one frame.
#[derive(Debug)]
pub struct Rows<'c, C> {
    /// Port that they come from.
    pub port: Port,
    /// Clock that times the wait for an answer.
    pub clock: &'c C,
    /// Which frame, from 0.
    pub frame: u16,
    /// Rows of a frame.
    pub rows: u16,
    /// Asks for a row.
    pub want: fn(Want),
}

/// An answer that is no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Other {
    /// There are no more frames.
    NoMore,
    /// Nothing came in time, or something else.
    Nothing,
}

impl<C: Clock> Rows<'_, C> {
    /// Asks for row `y` until it comes.
    ///
    /// # Errors
    /// That there is no frame, of the first row; that the row did not come.
    pub fn row(&self, y: usize, pixels: &mut [u8]) -> Result<(), RowLost> {
        let row = u16::try_from(y).map_err(|_| RowLost::Serial)?;
        let tries = if row == 0 { self.port.patience } else { TRIES };
        for _ in 0..tries {
            match self.ask(row, pixels) {
                Ok(()) => return Ok(()),
                Err(Other::NoMore) if row == 0 => return Err(RowLost::NoMore),
                Err(_) => {}
            }
        }
        Err(if row == 0 { RowLost::NoMore } else { RowLost::Serial })
    }

    fn ask(&self, row: u16, pixels: &mut [u8]) -> Result<(), Other> {
        for _ in 0..STALE {
            if (self.port.receive)().is_none() {
                break;
            }
        }
        (self.want)(Want { frame: self.frame, row, bytes: pixels.len(), rows: self.rows });
        loop {
            match self.byte()? {
                answer::ROW => break,
                answer::NO_MORE => return Err(Other::NoMore),
                _ => {}
            }
        }
        for pixel in pixels.iter_mut() {
            *pixel = self.byte()?;
        }
        let mut check = [0; 4];
        for byte in &mut check {
            *byte = self.byte()?;
        }
        if answer::check(self.frame, row, pixels) == u32::from_le_bytes(check) { Ok(()) } else { Err(Other::Nothing) }
    }

    /// The next byte, if it comes within half a second.
    fn byte(&self) -> Result<u8, Other> {
        let (start, most) = (self.clock.now(), self.clock.ticks_per_second() / 2);
        loop {
            if let Some(byte) = (self.port.receive)() {
                return Ok(byte);
            }
            if self.clock.now().wrapping_sub(start) > most {
                return Err(Other::Nothing);
            }
        }
    }
}

impl Format for RowLost {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self {
            Self::Golden => defmt::write!(f, "the golden frame cannot be read"),
            Self::NoMore => defmt::write!(f, "nobody sends a frame"),
            Self::Serial => defmt::write!(f, "it did not come over the serial port, or damaged, however often it was asked for"),
        }
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

    use super::*;
    use crate::clock::Unit;

    /// A clock that moves on whenever it is read.
    struct Running(AtomicU32);
    impl Clock for Running {
        fn now(&self) -> u32 {
            self.0.fetch_add(1, Relaxed)
        }
        fn unit(&self) -> Unit {
            Unit::Ticks
        }
        fn hertz(&self) -> u32 {
            1000
        }
        fn ticks_per_second(&self) -> u32 {
            1000
        }
    }

    const PIXELS: [u8; 6] = [1, 2, answer::NO_MORE, 4, 5, 6];

    fn rows<'c>(clock: &'c Running, receive: fn() -> Option<u8>) -> Rows<'c, Running> {
        Rows { port: Port { receive, patience: 3 }, clock, frame: 7, rows: 2, want: |_| () }
    }

    /// The `at`-th byte of an answer to frame 7, row 1: noise, then the row, its last pixel as
    /// given.
    fn answered(at: usize, last: u8) -> Option<u8> {
        let mut sent = PIXELS;
        sent[5] = last;
        let check = answer::check(7, 1, &PIXELS).to_le_bytes();
        [&[0, 0xff, answer::ROW][..], &sent, &check].concat_at(at)
    }

    trait ConcatAt {
        fn concat_at(&self, at: usize) -> Option<u8>;
    }
    impl ConcatAt for [&[u8]; 3] {
        fn concat_at(&self, at: usize) -> Option<u8> {
            self.iter().flat_map(|part| part.iter()).nth(at).copied()
        }
    }

    #[test]
    fn a_damaged_row_is_asked_for_again() {
        static AT: AtomicUsize = AtomicUsize::new(0);
        // The first question is for an end, as nothing is stale; each answer then ends before the
        // next question.
        fn receive() -> Option<u8> {
            let at = AT.fetch_add(1, Relaxed);
            match at {
                0 | 14 => None,
                1..=13 => answered(at - 1, 9),
                15..=27 => answered(at - 15, 6),
                _ => None,
            }
        }
        let (clock, mut pixels) = (Running(AtomicU32::new(0)), [0; 6]);
        assert_eq!(rows(&clock, receive).row(1, &mut pixels), Ok(()));
        assert_eq!((pixels, AT.load(Relaxed)), (PIXELS, 28));
    }

    #[test]
    fn silence_ends_a_wait_and_means_no_frame_only_at_the_first_row() {
        let (clock, mut pixels) = (Running(AtomicU32::new(0)), [0; 6]);
        assert_eq!(rows(&clock, || None).row(0, &mut pixels), Err(RowLost::NoMore));
        assert!((1500..1600).contains(&clock.0.load(Relaxed)), "three times half a second");
        assert_eq!(rows(&clock, || None).row(1, &mut pixels), Err(RowLost::Serial));
    }

    #[test]
    fn a_host_without_frames_ends_the_wait_at_once() {
        static AT: AtomicUsize = AtomicUsize::new(0);
        let (clock, mut pixels) = (Running(AtomicU32::new(0)), [0; 6]);
        let receive = || (AT.fetch_add(1, Relaxed) == 1).then_some(answer::NO_MORE);
        assert_eq!(rows(&clock, receive).row(0, &mut pixels), Err(RowLost::NoMore));
        assert!(clock.0.load(Relaxed) < 10);
    }
}
