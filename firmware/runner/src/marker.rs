//! Pins for a logic analyser or a power meter. One is high during a step, another during a whole
//! frame.

use core::cell::RefCell;

use critical_section::Mutex;
use embedded_hal::digital::OutputPin;

/// Shows when steps and frames begin and end.
pub trait Marker: Sync {
    /// A step begins.
    fn high(&self);
    /// A step has ended.
    fn low(&self);
    /// A frame begins, or has ended.
    fn frame(&self, begins: bool);
}

/// No pin.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMarker;

impl Marker for NoMarker {
    #[inline(always)]
    fn high(&self) {}
    #[inline(always)]
    fn low(&self) {}
    #[inline(always)]
    fn frame(&self, _begins: bool) {}
}

/// Any two output pins.
#[derive(Debug)]
pub struct PinMarker<P, F>(Mutex<RefCell<(P, F)>>);

impl<P: OutputPin, F: OutputPin> PinMarker<P, F> {
    /// `step` and `frame` as the markers, low until the first step and the first frame.
    pub fn new(step: P, frame: F) -> Self {
        let marker = Self(Mutex::new(RefCell::new((step, frame))));
        marker.set(|(step, frame)| {
            show(step, false);
            show(frame, false);
        });
        marker
    }

    fn set(&self, work: impl FnOnce(&mut (P, F))) {
        critical_section::with(|section| {
            if let Ok(mut pins) = self.0.borrow(section).try_borrow_mut() {
                work(&mut pins);
            }
        });
    }
}

fn show(pin: &mut impl OutputPin, high: bool) {
    // A pin that cannot be set spoils the measurement outside, not the result.
    let _ = if high { pin.set_high() } else { pin.set_low() };
}

impl<P: OutputPin + Send, F: OutputPin + Send> Marker for PinMarker<P, F> {
    fn high(&self) {
        self.set(|(step, _)| show(step, true));
    }
    fn low(&self) {
        self.set(|(step, _)| show(step, false));
    }
    fn frame(&self, begins: bool) {
        self.set(|(_, frame)| show(frame, begins));
    }
}
