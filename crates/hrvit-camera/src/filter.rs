//! Weights of camera pixels in a pixel of the input: whole numbers with a constant sum.

/// How many camera pixels become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Filter {
    /// The mean of all that a pixel of the input covers, borders in part.
    #[default]
    Area,
    /// The line between the two whose middles are nearest, in each direction. For frames of about the input's size.
    Bilinear,
}

/// One direction: pixel `i` of the shown ones covers `[i * unit, (i + 1) * unit)`, cell `c` sees
/// the `total` from `first + c * step` on. What a cell sees beyond the border is the border's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Axis {
    /// First shown pixel.
    start: usize,
    /// Shown pixels.
    pixels: usize,
    unit: u32,
    first: i32,
    step: u32,
    /// Sum of the weights of a cell.
    pub(crate) total: u32,
}

/// Samples of a cell and their weights: `head`, then `inner` samples of the whole weight, then `tail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) first: usize,
    pub(crate) head: u32,
    pub(crate) inner: usize,
    /// 0 if there is no sample.
    pub(crate) tail: u32,
}

/// Position in the samples of a row, which count columns of `1 << shift` pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Walk {
    /// The sample at the beginning of the next cell.
    pub(crate) sample: usize,
    /// What the sample still covers.
    pub(crate) left: u32,
    /// The last sample, which covers all that follows.
    pub(crate) last: usize,
    /// Weight of a whole sample.
    pub(crate) whole: u32,
    /// From one cell to the next.
    pub(crate) step: u32,
    /// What a cell sees.
    pub(crate) total: u32,
}

/// What the last sample covers: more than a row of cells.
const ENDLESS: u32 = u32::MAX >> 1;

impl Axis {
    /// `pixels` from `start` on, 65535 at most, become `cells`, 4096 at most.
    pub(crate) fn new(filter: Filter, start: usize, pixels: usize, cells: usize) -> Self {
        let common = gcd(pixels, cells).max(1);
        let (long, short) = ((pixels / common) as u32, (cells / common) as u32);
        match filter {
            Filter::Area => Self { start, pixels, unit: short, first: 0, step: long, total: long },
            // As wide as a pixel, in the middle of the cell.
            Filter::Bilinear => Self { start, pixels, unit: 2 * short, first: long as i32 - short as i32, step: 2 * long, total: 2 * short },
        }
    }

    /// The sample of `1 << shift` pixels that pixel `at` of the shown ones belongs to, counted from the frame's border.
    fn sample(&self, at: usize, shift: u32) -> usize {
        (self.start + at) >> shift
    }

    /// Position at the beginning of cell `cell`.
    pub(crate) fn walk(&self, cell: usize, shift: u32) -> Walk {
        let (zeroth, last) = (self.sample(0, shift), self.sample(self.pixels - 1, shift));
        let whole = self.unit << shift;
        // Pixels that the first sample has in front of the shown ones. Below 2^31: 4096 * 2 * 65535.
        let phase = (self.start & ((1 << shift) - 1)) as i32 * self.unit as i32;
        let at = self.first + (cell as u32 * self.step) as i32 + phase;
        let (passed, within) = if at < 0 { (0, at) } else { (at / whole as i32, at % whole as i32) };
        let sample = zeroth + passed as usize;
        let (sample, left) = if sample >= last { (last, ENDLESS) } else { (sample, (whole as i32 - within) as u32) };
        Walk { sample, left, last, whole, step: self.step, total: self.total }
    }

    /// Samples and weights of cell `cell`.
    pub(crate) fn window(&self, cell: usize, shift: u32) -> Window {
        let Walk { sample, left, last, whole, total, .. } = self.walk(cell, shift);
        let head = left.min(total);
        let rest = total - head;
        let inner = ((rest / whole) as usize).min(last - sample);
        // Beyond the last sample there is only the border: it takes what is left.
        match inner.checked_sub(1) {
            Some(before) if sample + inner == last => Window { first: sample, head, inner: before, tail: rest - before as u32 * whole },
            _ => Window { first: sample, head, inner, tail: rest - inner as u32 * whole },
        }
    }

    /// Weight of a sample that a cell sees all of.
    pub(crate) fn whole(&self, shift: u32) -> u32 {
        self.unit << shift
    }

    /// First and last sample of cells `from..to`, of which there is one at least.
    pub(crate) fn reach(&self, from: usize, to: usize, shift: u32) -> (usize, usize) {
        let end = self.window(to.saturating_sub(1), shift);
        (self.walk(from, shift).sample, end.first + end.inner + usize::from(end.tail > 0))
    }
}

impl Walk {
    /// Goes on to the next cell.
    #[inline(always)]
    pub(crate) fn advance(&mut self) {
        let mut by = self.step;
        while self.sample < self.last && by >= self.left {
            by -= self.left;
            self.sample += 1;
            self.left = self.whole;
        }
        self.left = if self.sample < self.last { self.left - by } else { ENDLESS };
    }
}

/// Divides sums of a constant weight, to [`FRACTION`](crate::colour::FRACTION) fractional bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mean {
    reciprocal: u32,
    shift: u32,
    half: u64,
}

/// Most weight whose sums of bytes have 32 bits.
pub(crate) const MAX_WEIGHT: u32 = u32::MAX / 255;

impl Mean {
    /// For a weight of 1 to [`MAX_WEIGHT`].
    pub(crate) fn new(weight: u32) -> Self {
        let bits = weight.max(1).ilog2();
        let scale = 1u64 << (31 + bits);
        let weight = u64::from(weight.max(1));
        // From 2^30 (excluded) to 2^31.
        let reciprocal = ((scale + weight / 2) / weight) as u32;
        let shift = 31 + bits - crate::colour::FRACTION;
        Self { reciprocal, shift, half: 1 << (shift - 1) }
    }

    /// `sum / weight`.
    #[inline(always)]
    pub(crate) fn of(&self, sum: u32) -> u16 {
        ((u64::from(sum) * u64::from(self.reciprocal) + self.half) >> self.shift) as u16
    }
}

fn gcd(mut a: usize, mut b: usize) -> usize {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
