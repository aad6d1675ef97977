//! A pin that is high while a step is at work, for a logic analyser or a power meter.

use core::cell::RefCell;

use critical_section::Mutex;
use embedded_hal::digital::OutputPin;

/// Shows when steps begin and end.
pub trait Marker: Sync {
    /// A step begins.
    fn high(&self);
    /// A step has ended.
    fn low(&self);
}

/// No pin.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMarker;

impl Marker for NoMarker {
    #[inline(always)]
    fn high(&self) {}
    #[inline(always)]
    fn low(&self) {}
}

/// Any output pin.
#[derive(Debug)]
pub struct PinMarker<P>(Mutex<RefCell<P>>);

impl<P: OutputPin> PinMarker<P> {
    /// `pin` as the marker, low until the first step.
    pub fn new(pin: P) -> Self {
        let marker = Self(Mutex::new(RefCell::new(pin)));
        marker.set(false);
        marker
    }

    fn set(&self, high: bool) {
        critical_section::with(|section| {
            if let Ok(mut pin) = self.0.borrow(section).try_borrow_mut() {
                // A pin that cannot be set spoils the measurement outside, not the result.
                let _ = if high { pin.set_high() } else { pin.set_low() };
            }
        });
    }
}

impl<P: OutputPin + Send> Marker for PinMarker<P> {
    fn high(&self) {
        self.set(true);
    }
    fn low(&self) {
        self.set(false);
    }
}
