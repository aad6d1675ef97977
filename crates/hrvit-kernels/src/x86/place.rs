//! Where four blocks are stored.

use super::BLOCK;

/// The first `count` of 16 channels, all from 16 on.
#[inline(always)]
pub(crate) fn first_channels(count: usize) -> u16 {
    if count >= BLOCK { !0 } else { (1 << count) - 1 }
}

/// The first half of 16 channels.
const HALF: u16 = 0xff;

/// Place of four vectors of 16 channels, or fewer: the first `runs` of them, each to the `channels`
/// of the 16 elements from `out + i * stride` on, a bit each.
#[derive(Clone, Copy)]
pub(crate) struct Place<T> {
    pub(crate) out: *mut T,
    pub(crate) stride: usize,
    pub(crate) runs: usize,
    pub(crate) channels: u16,
}

impl<T: Copy + Default> Place<T> {
    /// Start and channels of run `i`, none beyond the last.
    #[inline(always)]
    pub(super) fn run(self, i: usize) -> (*mut T, u16) {
        (self.out.wrapping_add(i * self.stride), if i < self.runs { self.channels } else { 0 })
    }

    /// Whether all four runs have all channels.
    #[inline(always)]
    pub(super) fn whole(self) -> bool {
        self.runs == 4 && self.channels == !0
    }

    /// Copies the channels of run `i` from `run`.
    ///
    /// # Safety
    /// They may be written.
    #[inline(always)]
    pub(super) unsafe fn put(self, i: usize, run: &[T; BLOCK]) {
        let (out, mut channels) = self.run(i);
        if channels & HALF == HALF {
            // SAFETY: the first 8 channels are channels of the run.
            unsafe { out.cast::<[T; BLOCK / 2]>().write(run.as_ptr().cast::<[T; BLOCK / 2]>().read()) };
            channels &= !HALF;
        }
        while channels != 0 {
            let channel = channels.trailing_zeros() as usize % BLOCK;
            // SAFETY: a channel of the run.
            unsafe { out.add(channel).write(run[channel]) };
            channels &= channels - 1;
        }
    }

    /// The channels of run `i`, the default in the others.
    ///
    /// # Safety
    /// They may be read.
    #[inline(always)]
    pub(super) unsafe fn old(self, i: usize) -> [T; BLOCK] {
        let (out, mut channels) = self.run(i);
        let mut run = [T::default(); BLOCK];
        if channels & HALF == HALF {
            // SAFETY: the first 8 channels are channels of the run.
            unsafe { run.as_mut_ptr().cast::<[T; BLOCK / 2]>().write(out.cast::<[T; BLOCK / 2]>().read()) };
            channels &= !HALF;
        }
        while channels != 0 {
            let channel = channels.trailing_zeros() as usize % BLOCK;
            // SAFETY: a channel of the run.
            run[channel] = unsafe { out.add(channel).read() };
            channels &= channels - 1;
        }
        run
    }
}
