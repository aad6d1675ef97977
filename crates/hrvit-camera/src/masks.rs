//! Masks of chosen classes, and area and bounding box of each class.

use hrvit_format::sentences;

use crate::geometry::Region;

/// A set of classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassSet([u32; 8]);

impl ClassSet {
    /// The set of these classes.
    pub fn of(classes: &[u8]) -> Self {
        let mut set = Self::default();
        for class in classes {
            if let Some(word) = set.0.get_mut(usize::from(class >> 5)) {
                *word |= 1 << (class & 31);
            }
        }
        set
    }

    /// Whether the set includes `class`.
    #[inline]
    pub fn contains(&self, class: u8) -> bool {
        self.0.get(usize::from(class >> 5)).is_some_and(|word| word >> (class & 31) & 1 == 1)
    }

    /// Writes one bit for each label of a row: 1 if the set includes it. The first label is the
    /// highest bit of the first byte. Unused bits of the last byte are 0.
    ///
    /// ```
    /// use hrvit_camera::ClassSet;
    /// let mut bits = [0; 2];
    /// ClassSet::of(&[3, 7]).mask(&[3, 0, 7, 0, 0, 0, 0, 3, 3], &mut bits)?;
    /// assert_eq!(bits, [0b1010_0001, 0b1000_0000]);
    /// # Ok::<(), hrvit_camera::MaskError>(())
    /// ```
    ///
    /// # Errors
    /// [`MaskError`] unless `bits` has one byte for every 8 labels, rounded up.
    pub fn mask(&self, labels: &[u8], bits: &mut [u8]) -> Result<(), MaskError> {
        let expected = labels.len().div_ceil(8);
        if bits.len() != expected {
            return Err(MaskError { bytes: bits.len(), expected });
        }
        for (byte, labels) in bits.iter_mut().zip(labels.chunks(8)) {
            *byte = (0..).zip(labels).fold(0, |byte, (at, label)| byte | u8::from(self.contains(*label)) << (7 - at));
        }
        Ok(())
    }

    /// Runs of consecutive labels of these classes, in order. In a map of several rows a run may
    /// continue in the next row.
    ///
    /// ```
    /// use hrvit_camera::{ClassSet, Run};
    /// let runs: Vec<Run> = ClassSet::of(&[3]).runs(&[0, 3, 3, 1, 3]).collect();
    /// assert_eq!(runs, [Run { start: 1, length: 2 }, Run { start: 4, length: 1 }]);
    /// ```
    pub fn runs<'l>(&self, labels: &'l [u8]) -> impl Iterator<Item = Run> + use<'l> {
        let set = *self;
        let mut at = 0;
        core::iter::from_fn(move || {
            let rest = labels.get(at..)?;
            let start = at + rest.iter().position(|label| set.contains(*label))?;
            let length = labels.get(start..)?.iter().take_while(|label| set.contains(**label)).count();
            at = start + length;
            Some(Run { start, length })
        })
    }
}

/// Run of consecutive pixels of a mask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Run {
    /// Index of the first pixel.
    pub start: usize,
    /// Number of pixels.
    pub length: usize,
}

/// The mask has not the length that its labels need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaskError {
    /// Bytes that were given.
    pub bytes: usize,
    /// Bytes that are needed.
    pub expected: usize,
}

sentences!(MaskError {
    Self { bytes, expected } => ("a mask of {} bytes: expected {}, one for every 8 labels or part of them", bytes, expected),
});

impl core::error::Error for MaskError {}

/// Area and bounding box of a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ClassExtent {
    /// Pixels of the class.
    pub pixels: usize,
    /// Smallest rectangle that contains them. `None` if there are no pixels.
    pub bounds: Option<Region>,
}

impl ClassExtent {
    /// Counts row `y` of a map. `extents` has one entry for each class, in the order of class
    /// indices. Classes without an entry are not counted. Count every row once, in any order.
    ///
    /// ```
    /// use hrvit_camera::{ClassExtent, Region};
    /// let mut extents = [ClassExtent::default(); 2];
    /// for (y, labels) in [[0, 1, 1], [0, 255, 1]].iter().enumerate() {
    ///     ClassExtent::count(&mut extents, y, labels);
    /// }
    /// let bounds = Some(Region { y: 0, x: 1, height: 2, width: 2 });
    /// assert_eq!(extents[1], ClassExtent { pixels: 3, bounds });
    /// ```
    pub fn count(extents: &mut [Self], y: usize, labels: &[u8]) {
        for (label, run) in Self::runs(y, labels) {
            if let Some(extent) = extents.get_mut(usize::from(label)) {
                extent.add(run);
            }
        }
    }

    /// Runs of equal labels in row `y` of a map, from the left: each label with its pixels.
    pub fn runs(y: usize, labels: &[u8]) -> impl Iterator<Item = (u8, Region)> {
        let mut x = 0;
        labels.chunk_by(|left, right| left == right).filter_map(move |run| {
            let own = Region { y, x, height: 1, width: run.len() };
            x += run.len();
            run.first().map(|label| (*label, own))
        })
    }

    /// Adds a rectangle of the class, which must not have been counted before.
    pub fn add(&mut self, own: Region) {
        self.pixels += own.height * own.width;
        self.bounds = Some(self.bounds.map_or(own, |bounds| around(bounds, own)));
    }
}

/// The smallest rectangle that holds both.
fn around(one: Region, other: Region) -> Region {
    let both = |start: usize, length: usize, start2: usize, length2: usize| {
        let first = start.min(start2);
        (first, (start + length).max(start2 + length2) - first)
    };
    let (y, height) = both(one.y, one.height, other.y, other.height);
    let (x, width) = both(one.x, one.width, other.x, other.width);
    Region { y, x, height, width }
}
