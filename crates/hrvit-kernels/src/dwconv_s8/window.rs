//! Places of the taps of a window: lists of pointers, for loops that walk them.

use core::mem::MaybeUninit;

use super::Depthwise;

/// Most taps that are listed: those of a 9x9 kernel.
pub(super) const MAX_TAPS: usize = 81;

/// Pointers to tokens, or to padding, tap by tap over the rows inside the map; those beyond are not
/// written.
pub(super) type Taps = [MaybeUninit<*const i8>; MAX_TAPS];

/// The windows of one output row from channel `first` on.
pub(super) struct Windows<'a> {
    args: &'a Depthwise<'a>,
    first: usize,
    padding: *const i8,
    reach: usize,
    /// Centre of the window that [`Windows::inside`] lists.
    margin: usize,
    /// Taps of the first window that needs no padding.
    inside: Taps,
    /// Taps of the last window that was asked for and needs some.
    at_edge: Taps,
}

impl<'a> Windows<'a> {
    /// Taps outside the map point to `padding`. The kernel has at most [`MAX_TAPS`] taps.
    #[inline(always)] // its lists are built where they stay
    pub(super) fn new(args: &'a Depthwise<'a>, first: usize, padding: *const i8) -> Self {
        let reach = args.kernel / 2;
        let margin = reach.checked_next_multiple_of(args.stride).unwrap_or(reach);
        let mut windows = Self {
            args,
            first,
            padding,
            reach,
            margin,
            inside: [const { MaybeUninit::uninit() }; MAX_TAPS],
            at_edge: [const { MaybeUninit::uninit() }; MAX_TAPS],
        };
        list(args, first, padding, margin.wrapping_sub(reach), &mut windows.inside);
        windows
    }

    /// Whether the window of output token `x` lies inside the map.
    #[inline(always)]
    pub(super) fn is_inside(&self, x: usize) -> bool {
        let centre = x * self.args.stride;
        centre >= self.margin && centre + self.reach < self.args.columns
    }

    /// Taps of windows inside the map, and what is to be added to each for that of token `x`, in
    /// bytes.
    #[inline(always)]
    pub(super) fn inside(&self, x: usize) -> (&Taps, usize) {
        (&self.inside, (x * self.args.stride - self.margin) * self.args.in_stride)
    }

    /// Taps of the window of token `x`, and what is to be added to each, in bytes.
    pub(super) fn of(&mut self, x: usize) -> (&Taps, usize) {
        if self.is_inside(x) {
            return self.inside(x);
        }
        list(self.args, self.first, self.padding, (x * self.args.stride).wrapping_sub(self.reach), &mut self.at_edge);
        (&self.at_edge, 0)
    }
}

/// Lists the taps of the window whose columns begin with `corner`, which may lie left of the map.
#[inline(never)] // one for both lists
fn list(args: &Depthwise<'_>, first: usize, padding: *const i8, corner: usize, taps: &mut Taps) {
    let mut slots = taps.iter_mut();
    for row in args.rows.iter().flatten() {
        for (kx, slot) in (0..args.kernel).zip(&mut slots) {
            // Left of the map the column wraps to a huge number, which is outside too.
            let column = corner.wrapping_add(kx);
            let token = row.as_ptr().wrapping_add(column.wrapping_mul(args.in_stride).wrapping_add(first));
            slot.write(if column < args.columns { token } else { padding });
        }
    }
}
