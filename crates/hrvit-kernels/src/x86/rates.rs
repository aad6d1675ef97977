//! The rounding rule on blocks: `((acc << pre) * mult + 2^(shift - 1)) >> shift` for 16
//! accumulators at once, exact for every shift in 32..=63.
//!
//! Even lanes are multiplied to 64 bits, then odd ones. With shifts of 32 or more only the upper
//! halves of the products count, and those of all lanes fit one register.

use super::{Lanes, block};
use crate::requant::{Requant, TensorRequant};

/// Multipliers and shifts of 16 accumulators.
#[derive(Clone, Copy)]
pub(crate) struct Rates<V: Lanes> {
    mult: V::Block,
    mult_odd: V::Block,
    half_even: V::Block,
    half_odd: V::Block,
    /// The shift less 32.
    shift: V::Block,
    pre_shift: i32,
}

impl<V: Lanes> Rates<V> {
    /// Rates of the channels from `first` on; channels beyond the last get harmless ones.
    #[inline(always)]
    pub(crate) fn new(v: V, requant: Requant<'_>, first: usize) -> Self {
        let shift = requant.shift.get(first..).unwrap_or_default();
        // SAFETY: a byte is a byte.
        let shift = unsafe { core::slice::from_raw_parts(shift.as_ptr().cast::<i8>(), shift.len()) };
        Self::of(v, v.load_i32(requant.mult, first), v.load_i8(shift, 0), requant.pre_shift)
    }

    /// The same for all channels.
    #[inline(always)]
    pub(crate) fn splat(v: V, scalar: TensorRequant) -> Self {
        let (mult, shift) = (block!(v, |_i| v.splat(scalar.mult)), block!(v, |_i| v.splat(scalar.shift.into())));
        Self::of(v, mult, shift, scalar.pre_shift)
    }

    /// Of 16 lanes in any order.
    #[inline(always)]
    pub(crate) fn of(v: V, mult: V::Block, shift: V::Block, pre_shift: u8) -> Self {
        let half = |shift| v.shl64(v.splat64(1), v.add64(shift, v.splat64(-1)));
        Self {
            mult,
            mult_odd: block!(v, |i| v.odd(mult[i])),
            half_even: block!(v, |i| half(v.and(shift[i], v.splat64(0xffff_ffff)))),
            half_odd: block!(v, |i| half(v.odd(shift[i]))),
            shift: block!(v, |i| v.sub(shift[i], v.splat(32))),
            pre_shift: pre_shift.into(),
        }
    }

    /// 16 accumulators.
    #[inline(always)]
    pub(crate) fn apply(&self, v: V, acc: V::Block) -> V::Block {
        self.unshifted(v, if self.pre_shift == 0 { acc } else { block!(v, |i| v.shl(acc[i], self.pre_shift)) })
    }

    /// Four times 16 accumulators.
    #[inline(always)]
    pub(crate) fn four(&self, v: V, mut acc: [V::Block; 4]) -> [V::Block; 4] {
        if self.pre_shift != 0 {
            for acc in &mut acc {
                *acc = block!(v, |i| v.shl(acc[i], self.pre_shift));
            }
        }
        let [a, b, c, d] = acc;
        [self.unshifted(v, a), self.unshifted(v, b), self.unshifted(v, c), self.unshifted(v, d)]
    }

    /// 16 accumulators that are shifted left already.
    #[inline(always)]
    fn unshifted(&self, v: V, acc: V::Block) -> V::Block {
        block!(v, |i| {
            let even = v.add64(v.mul_even(acc[i], self.mult[i]), self.half_even[i]);
            let odd = v.add64(v.mul_even(v.odd(acc[i]), self.mult_odd[i]), self.half_odd[i]);
            v.shr(v.upper_halves(even, odd), self.shift[i])
        })
    }
}
