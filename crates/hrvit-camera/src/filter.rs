//! Weights of camera pixels in a pixel of the input: whole numbers with a constant sum.

/// How camera pixels become a pixel of the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Filter {
    /// The mean of all camera pixels that a pixel of the input covers. Pixels at its borders count
    /// in part.
    #[default]
    Area,
    /// Linear interpolation, along each axis, between the two camera pixels with the nearest
    /// centres. For frames of about the input's size.
    Bilinear,
}

/// One direction: pixel `i` of the shown ones covers `[i * unit, (i + 1) * unit)`, cell `c` sees
/// the `total` from `first + c * step` on. Beyond the border a cell sees the border.
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

/// Samples of a cell and their weights: `head`, then `inner` samples of the whole weight, then
/// `tail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) first: usize,
    pub(crate) head: u32,
    pub(crate) inner: usize,
    /// 0 if there is no sample.
    pub(crate) tail: u32,
}

/// Way along the samples of a row, from the beginning of a cell on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Walk {
    /// The sample at the beginning, counted from the frame's border.
    pub(crate) sample: usize,
    /// The part in front of the beginning; below 0 in front of the border.
    pub(crate) part: i32,
    /// Samples from it to the last.
    pub(crate) last: u32,
    /// Weight of a whole sample.
    pub(crate) whole: u32,
    /// From one cell to the next, also in whole samples and a part of one.
    pub(crate) step: u32,
    pub(crate) step_whole: usize,
    pub(crate) step_part: u32,
    /// The width of a cell.
    pub(crate) total: u32,
}

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

    /// The sample of `1 << shift` pixels that pixel `at` of the shown ones belongs to, counted from
    /// the frame's border.
    fn sample(&self, at: usize, shift: u32) -> usize {
        (self.start + at) >> shift
    }

    /// Way from the beginning of cell `cell` on.
    pub(crate) fn walk(&self, cell: usize, shift: u32) -> Walk {
        let (zeroth, end) = (self.sample(0, shift), self.sample(self.pixels - 1, shift));
        // Not 0: no division can fail.
        let whole = (self.unit << shift).max(1);
        // Pixels that the first sample has in front of the shown ones. All below 2^31:
        // 4096 * 2 * 65535.
        let phase = (self.start & ((1 << shift) - 1)) as u32 * self.unit;
        let at = self.first + (cell as u32 * self.step + phase) as i32;
        let passed = if at < 0 { 0 } else { at as u32 / whole };
        let sample = (zeroth + passed as usize).min(end);
        let part = at - ((sample - zeroth) as u32 * whole) as i32;
        let (step_whole, step_part) = ((self.step / whole) as usize, self.step % whole);
        Walk { sample, part, last: (end - sample) as u32, whole, step: self.step, step_whole, step_part, total: self.total }
    }

    /// Samples and weights of cell `cell`.
    pub(crate) fn window(&self, cell: usize, shift: u32) -> Window {
        let Walk { sample, part, last, whole, total, .. } = self.walk(cell, shift);
        // The last sample goes on beyond the border.
        let head = if last == 0 { total } else { (whole as i32 - part) as u32 }.min(total);
        let rest = total - head;
        let inner = (rest.checked_div(whole).unwrap_or(0) as usize).min(last.saturating_sub(1) as usize);
        Window { first: sample, head, inner, tail: rest - inner as u32 * whole }
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

/// Divides sums of a constant weight, to [`FRACTION`](crate::colour::FRACTION) fractional bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mean {
    pub(crate) reciprocal: u32,
    pub(crate) shift: u32,
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
        Self { reciprocal, shift }
    }

    /// `sum / weight`.
    #[inline(always)]
    pub(crate) fn of(&self, sum: u32) -> u16 {
        ((u64::from(sum) * u64::from(self.reciprocal) + (1 << (self.shift - 1))) >> self.shift) as u16
    }
}

fn gcd(mut a: usize, mut b: usize) -> usize {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
