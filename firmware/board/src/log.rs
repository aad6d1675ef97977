//! defmt's frames over RTT and the serial port.

use core::cell::{Cell, RefCell};

use critical_section::{Mutex, RestoreState};
use defmt::Encoder;
use rtt_target::{ChannelMode, UpChannel};

use crate::outputs;

#[defmt::global_logger]
struct Logger;

struct State {
    encoder: Encoder,
    channel: Option<UpChannel>,
}

static STATE: Mutex<RefCell<State>> = Mutex::new(RefCell::new(State { encoder: Encoder::new(), channel: None }));
/// Frames that are being written: one inside of another comes from a fault while a message was
/// formatted, and is lost.
static DEPTH: Mutex<Cell<usize>> = Mutex::new(Cell::new(0));
static RESTORE: Mutex<Cell<RestoreState>> = Mutex::new(Cell::new(RestoreState::invalid()));

/// Sets the channel up: what nobody fetches is skipped, until a debugger asks to be waited for.
pub fn begin() {
    let channels = rtt_target::rtt_init! { up: { 0: { size: 1024, mode: ChannelMode::NoBlockSkip, name: "defmt" } } };
    critical_section::with(|section| STATE.borrow_ref_mut(section).channel = Some(channels.up.0));
}

/// Hands the encoder to `work`, with what takes its bytes; nothing where a frame is being written
/// already.
fn with_encoder(work: impl FnOnce(&mut Encoder, &mut dyn FnMut(&[u8]))) {
    let serial = outputs().map(|outputs| outputs.send);
    critical_section::with(|section| {
        let Ok(mut state) = STATE.borrow(section).try_borrow_mut() else { return };
        let State { encoder, channel } = &mut *state;
        work(encoder, &mut |bytes| {
            if let Some(channel) = channel {
                channel.write(bytes);
            }
            if let Some(send) = serial {
                send(bytes);
            }
        });
    });
}

fn depth(change: impl FnOnce(usize) -> usize) -> usize {
    critical_section::with(|section| {
        let depth = DEPTH.borrow(section);
        let new = change(depth.get());
        depth.set(new);
        new
    })
}

// SAFETY: `acquire` enters a critical section that `release` leaves, so that frames do not mix; of
// a frame inside of another nothing is written.
unsafe impl defmt::Logger for Logger {
    fn acquire() {
        // SAFETY: `release` below is called once for every `acquire`, in reverse order.
        let restore = unsafe { critical_section::acquire() };
        if depth(|depth| depth + 1) == 1 {
            critical_section::with(|section| RESTORE.borrow(section).set(restore));
            with_encoder(|encoder, take| encoder.start_frame(take));
        }
    }

    unsafe fn flush() {
        if let Some(outputs) = outputs() {
            (outputs.flush)();
        }
    }

    unsafe fn release() {
        if depth(|depth| depth) == 1 {
            with_encoder(|encoder, take| encoder.end_frame(take));
        }
        if depth(|depth| depth.saturating_sub(1)) == 0 {
            let restore = critical_section::with(|section| RESTORE.borrow(section).get());
            // SAFETY: the state that the outermost `acquire` was given.
            unsafe { critical_section::release(restore) };
        }
    }

    unsafe fn write(bytes: &[u8]) {
        if depth(|depth| depth) == 1 {
            with_encoder(|encoder, take| encoder.write(bytes, take));
        }
    }
}
