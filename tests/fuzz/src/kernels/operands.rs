//! Arguments of kernels out of fuzzed bytes: sizes, lengths and parameters byte by byte, contents
//! from a seed.

use std::ops::Deref;

use bytemuck::Pod;
use hrvit_kernels::{Range8, Requant, TensorRequant};
use hrvit_tests::rng::Rng;

use crate::Choices;

/// Integers that contents are made of.
pub(super) trait Integer: Pod {
    /// The number, cut to the type's bits.
    fn of(value: i64) -> Self;
}

macro_rules! integers {
    ($($type:ident)*) => {
        $(impl Integer for $type {
            fn of(value: i64) -> Self {
                value as Self
            }
        })*
    };
}

integers!(i8 u8 i16 u16 i32);

/// Elements that end where their heap block ends; some start behind a few others, at any address
/// that the type allows.
#[derive(Clone)]
pub(super) struct Block<T> {
    all: Vec<T>,
    start: usize,
}

impl<T> Block<T> {
    /// Memory in front of the elements.
    pub(super) fn before(&self) -> &[T] {
        &self.all[..self.start]
    }

    /// The elements, to write.
    pub(super) fn elements_mut(&mut self) -> &mut [T] {
        &mut self.all[self.start..]
    }
}

impl<T> Deref for Block<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.all[self.start..]
    }
}

/// Multipliers and shifts per channel.
pub(super) struct Rates {
    mult: Block<i32>,
    shift: Block<u8>,
    pre_shift: u8,
}

impl Rates {
    /// As kernels take them.
    pub(super) fn view(&self) -> Requant<'_> {
        Requant { mult: &self.mult, shift: &self.shift, pre_shift: self.pre_shift }
    }
}

/// Draws the arguments of one call.
pub(super) struct Operands<'a> {
    /// Bytes that choose.
    pub(super) choices: Choices<'a>,
    /// Contents.
    noise: Rng,
    /// Whether numbers keep to their documented ranges, in which every instruction set gives the
    /// same.
    within: bool,
    /// Lengths and parameters that are right before a wrong one.
    right_before_wrong: Option<usize>,
}

impl<'a> Operands<'a> {
    /// Of 16 inputs, 3 have a wrong length or parameter and 1 has numbers outside of their ranges.
    pub(super) fn new(mut choices: Choices<'a>) -> Self {
        let kind = choices.u8() % 16;
        let right_before_wrong = (kind >= 13).then(|| choices.below(12));
        let noise = Rng::new(choices.u32().into());
        Self { choices, noise, within: kind != 12, right_before_wrong }
    }

    /// Whether numbers keep to their documented ranges.
    pub(super) fn within(&self) -> bool {
        self.within
    }

    /// Whether this length or parameter is the wrong one.
    fn wrong(&mut self) -> bool {
        match self.right_before_wrong {
            Some(0) => {
                self.right_before_wrong = None;
                true
            }
            Some(right) => {
                self.right_before_wrong = Some(right - 1);
                false
            }
            None => false,
        }
    }

    /// The length of an argument that should have `right` elements.
    pub(super) fn len(&mut self, right: usize) -> usize {
        if self.wrong() { self.choices.pick(&[right + 1, right.saturating_sub(1), 0, 2 * right, right + 8, right.saturating_sub(8)]) } else { right }
    }

    /// A count or stride that should be `right`.
    pub(super) fn count(&mut self, right: usize) -> usize {
        let wrong = [0, right + 1, right.wrapping_sub(1), 2 * right, right / 2, usize::MAX, usize::MAX / 2 + 1];
        self.parameter(right, &wrong)
    }

    /// A parameter that should be `right`, or one of `wrong`.
    pub(super) fn parameter<T: Copy>(&mut self, right: T, wrong: &[T]) -> T {
        if self.wrong() { self.choices.pick(wrong) } else { right }
    }

    /// A size in `1..=most`, one more, one less or none than a multiple of 8 more often than by
    /// chance.
    pub(super) fn size(&mut self, most: usize) -> usize {
        let size = match self.choices.u8() % 8 {
            0..=2 => 8 * (1 + self.choices.below(most.div_ceil(8))) + self.choices.below(3) - 1,
            _ => 1 + self.choices.below(most),
        };
        size.min(most)
    }

    /// A count in `0..=most` such that `count * each` is at most `work`, or 1.
    pub(super) fn repeats(&mut self, most: usize, each: usize, work: usize) -> usize {
        self.choices.below(most.min((work / each.max(1)).max(1)) + 1)
    }

    /// Random bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.noise.bits()
    }

    /// A random number in `least..=most`.
    pub(super) fn int(&mut self, least: i64, most: i64) -> i64 {
        self.noise.int(least, most)
    }

    /// `len` elements, each by `make` from its number.
    pub(super) fn block<T: Pod>(&mut self, len: usize, mut make: impl FnMut(&mut Self, usize) -> T) -> Block<T> {
        let start = if self.bits().is_multiple_of(4) { self.int(1, 15) as usize } else { 0 };
        let mut all = vec![T::zeroed(); start + len];
        for (i, element) in all[start..].iter_mut().enumerate() {
            *element = make(self, i);
        }
        Block { all, start }
    }

    /// `len` integers in `least..=most`: one limit only, both, one among many of the other, small
    /// ones, ones of any magnitude, or any.
    pub(super) fn integers<T: Integer>(&mut self, len: usize, least: i64, most: i64) -> Block<T> {
        let kind = self.choices.u8() % 8;
        let small = |x: i64| x.clamp(least, most);
        self.block(len, |operands, i| {
            T::of(match kind {
                1 => least,
                2 => most,
                3 => [least, most][i % 2],
                4 => small(operands.int(-3, 3)),
                5 => match operands.bits() % 4 {
                    0 => least,
                    1 => most,
                    _ => operands.int(least, most),
                },
                6 => {
                    let bits = operands.bits();
                    small((bits as i64) >> (31 + (bits % 32)))
                }
                7 => [least, most][usize::from(operands.bits().is_multiple_of(200))],
                _ => operands.int(least, most),
            })
        })
    }

    /// Codes on 8 bits.
    pub(super) fn codes(&mut self, len: usize) -> Block<i8> {
        self.integers(len, -128, 127)
    }

    /// Weights on 8 bits.
    pub(super) fn weights(&mut self, len: usize) -> Block<i8> {
        let most = self.weight();
        self.integers(len, -most, 127)
    }

    /// Largest magnitude of [`Operands::weights`].
    pub(super) fn weight(&self) -> i64 {
        if self.within { 127 } else { 128 }
    }

    /// Any numbers on 16 bits.
    pub(super) fn words(&mut self, len: usize) -> Block<i16> {
        self.integers(len, i16::MIN.into(), i16::MAX.into())
    }

    /// Numbers on 32 bits of at most `most` in magnitude; any outside of ranges.
    pub(super) fn wide(&mut self, len: usize, most: i64) -> Block<i32> {
        if self.within { self.integers(len, -most, most) } else { self.integers(len, i32::MIN.into(), i32::MAX.into()) }
    }

    /// A `pre_shift` for accumulators of at most `most` in magnitude.
    pub(super) fn pre_shift(&mut self, most: i64) -> u8 {
        if !self.within {
            return self.choices.u8() % 31;
        }
        let pre_shift = self.choices.pick(&[0, 0, 0, 0, 0, 1, 3, 30]);
        let largest = (i64::from(i32::MAX) / most.max(1)).max(1).ilog2() as u8;
        let pre_shift = pre_shift.min(largest);
        self.parameter(pre_shift, &[31, 32, u8::MAX])
    }

    /// Room for a bias beside a sum of at most `most` in magnitude.
    pub(super) fn room(&self, most: i64, pre_shift: u8) -> i64 {
        let pre_shift = if self.within { pre_shift.min(30) } else { 0 };
        ((i64::from(i32::MAX) >> pre_shift) - most).max(0)
    }

    /// Multipliers and shifts of channels whose accumulators have about `surplus` bits more than
    /// their outputs.
    pub(super) fn rates(&mut self, channels: usize, pre_shift: u8, surplus: u8) -> Rates {
        let (mults, shifts) = (self.len(channels), self.len(channels));
        if !self.within {
            return Rates { mult: self.wide(mults, 0), shift: self.integers(shifts, 0, 255), pre_shift };
        }
        let usual = i64::from(31 + surplus + pre_shift.min(31)).min(62);
        let [least, most] = if self.choices.u8() % 4 == 3 { [32, 62] } else { [(usual - 2).max(32), (usual + 2).min(62)] };
        Rates { mult: self.integers(mults, 1 << 30, i32::MAX.into()), shift: self.integers(shifts, least, most), pre_shift }
    }

    /// The multiplier and shift of a tensor, see [`Operands::rates`].
    pub(super) fn rate(&mut self, pre_shift: u8, surplus: u8) -> TensorRequant {
        if !self.within {
            return TensorRequant { mult: self.bits() as i32, shift: self.bits() as u8, pre_shift };
        }
        let usual = i64::from(31 + surplus + pre_shift.min(31)).clamp(34, 60);
        let shift = if self.choices.u8() % 4 == 3 { self.int(32, 62) } else { self.int(usual - 2, usual + 2) };
        let mult = match self.choices.u8() % 8 {
            0 => 1 << 30,
            1 => i32::MAX,
            _ => self.int(1 << 30, i32::MAX.into()) as i32,
        };
        TensorRequant { mult, shift: shift as u8, pre_shift }
    }

    /// A range of codes.
    pub(super) fn range(&mut self) -> Range8 {
        let [a, b] = [0; 2].map(|_| i32::from(self.choices.u8() as i8));
        let zero = if self.within { i32::from(self.choices.u8() as i8) } else { self.bits() as i32 };
        let right = match self.choices.u8() % 4 {
            0 => Range8 { zero, lo: -128, hi: 127 },
            _ => Range8 { zero, lo: a.min(b), hi: a.max(b) },
        };
        self.parameter(right, &[Range8 { lo: -129, ..right }, Range8 { hi: 128, ..right }, Range8 { lo: 5, hi: 4, ..right }])
    }

    /// Entries of a table that any number may look up, 1 or more.
    pub(super) fn entries(&mut self) -> usize {
        let entries = match self.choices.u8() % 4 {
            0 => self.choices.pick(&[1, 2, 3, 4, 5, 255, 256, 257]),
            1 => self.choices.pick(&[1023, 1024, 2048]),
            _ => 1 + self.choices.below(300),
        };
        self.parameter(entries, &[0])
    }

    /// The index of 0 in a table: one of it, or far away.
    pub(super) fn zero(&mut self, entries: usize) -> i32 {
        match self.choices.u8() % 8 {
            0 if self.within => self.int(-(1 << 30) + 1, (1 << 30) - 1) as i32,
            0 => self.bits() as i32,
            _ => self.int(0, entries as i64) as i32,
        }
    }
}
