//! Conversion of luma and chroma to red, green and blue, and of palettes to luma and chroma.

/// Fractional bits of resized values.
pub(crate) const FRACTION: u32 = 5;
/// Fractional bits of the factors.
const BITS: u32 = 16;

/// Matrix between red, green and blue and a camera's luma and chroma.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Matrix {
    /// ITU-R BT.601, used by most cameras and for standard definition.
    #[default]
    Bt601,
    /// ITU-R BT.709, used for high definition.
    Bt709,
}

/// Range of the values of luma and chroma.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Range {
    /// Luma from 16 to 235, chroma from 16 to 240.
    #[default]
    Limited,
    /// Luma and chroma from 0 to 255.
    Full,
}

/// Factors of one matrix and range, rounded to 16 fractional bits: `docs/camera.md` has the
/// formula.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conversion {
    /// Black.
    offset: i32,
    luma: i32,
    red_v: i32,
    green_u: i32,
    green_v: i32,
    blue_u: i32,
    /// From colours back: rows of Y, U and V.
    inverse: [[i32; 3]; 3],
}

impl Conversion {
    pub(crate) const fn new(matrix: Matrix, range: Range) -> Self {
        match (matrix, range) {
            (Matrix::Bt601, Range::Limited) => Self {
                offset: 16,
                luma: 76309,
                red_v: 104_597,
                green_u: 25675,
                green_v: 53279,
                blue_u: 132_201,
                inverse: [[16829, 33039, 6416], [-9714, -19071, 28784], [28784, -24103, -4681]],
            },
            (Matrix::Bt601, Range::Full) => Self {
                offset: 0,
                luma: 65536,
                red_v: 91881,
                green_u: 22553,
                green_v: 46802,
                blue_u: 116_130,
                inverse: [[19595, 38470, 7471], [-11058, -21710, 32768], [32768, -27439, -5329]],
            },
            (Matrix::Bt709, Range::Limited) => Self {
                offset: 16,
                luma: 76309,
                red_v: 117_489,
                green_u: 13975,
                green_v: 34925,
                blue_u: 138_438,
                inverse: [[11966, 40254, 4064], [-6596, -22189, 28784], [28784, -26145, -2639]],
            },
            (Matrix::Bt709, Range::Full) => Self {
                offset: 0,
                luma: 65536,
                red_v: 103_206,
                green_u: 12276,
                green_v: 30679,
                blue_u: 121_609,
                inverse: [[13933, 46871, 4732], [-7509, -25259, 32768], [32768, -29763, -3005]],
            },
        }
    }

    /// One pixel of values with [`FRACTION`] fractional bits. Sums stay below 2^31.
    #[inline(always)]
    pub(crate) fn rgb(&self, y: u16, u: u16, v: u16) -> [u8; 3] {
        let y = (i32::from(y) - (self.offset << FRACTION)) * self.luma;
        let (u, v) = (i32::from(u) - (128 << FRACTION), i32::from(v) - (128 << FRACTION));
        let sums = [y + self.red_v * v, y - self.green_u * u - self.green_v * v, y + self.blue_u * u];
        sums.map(|sum| ((sum + (1 << (BITS + FRACTION - 1))) >> (BITS + FRACTION)).clamp(0, 255) as u8)
    }

    /// Luma and chroma of a colour.
    pub(crate) fn yuv(&self, [r, g, b]: [u8; 3]) -> [u8; 3] {
        let [y, u, v] = self.inverse.map(|[by_r, by_g, by_b]| {
            let sum = by_r * i32::from(r) + by_g * i32::from(g) + by_b * i32::from(b);
            (sum + (1 << (BITS - 1))) >> BITS
        });
        [y + self.offset, u + 128, v + 128].map(|value| value.clamp(0, 255) as u8)
    }
}

/// One value without its fractional bits.
#[inline(always)]
pub(crate) fn whole(value: u16) -> u8 {
    ((u32::from(value) + (1 << (FRACTION - 1))) >> FRACTION).min(255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(Matrix, Range); 4] =
        [(Matrix::Bt601, Range::Limited), (Matrix::Bt601, Range::Full), (Matrix::Bt709, Range::Limited), (Matrix::Bt709, Range::Full)];

    fn real(matrix: Matrix, range: Range) -> (f64, f64, f64, f64, f64) {
        let (kr, kb) = if matrix == Matrix::Bt601 { (0.299, 0.114) } else { (0.2126, 0.0722) };
        let (luma, chroma) = if range == Range::Full { (1.0, 1.0) } else { (255.0 / 219.0, 255.0 / 224.0) };
        (kr, 1.0 - kr - kb, kb, luma, chroma)
    }

    #[test]
    fn factors_are_the_formulas_rounded() {
        let factor = |real: f64| (real * 65536.0).round() as i32;
        for (matrix, range) in ALL {
            let (kr, kg, kb, luma, chroma) = real(matrix, range);
            let found = Conversion::new(matrix, range);
            let forward =
                [luma, chroma * 2.0 * (1.0 - kr), chroma * 2.0 * (1.0 - kb) * kb / kg, chroma * 2.0 * (1.0 - kr) * kr / kg, chroma * 2.0 * (1.0 - kb)];
            assert_eq!([found.luma, found.red_v, found.green_u, found.green_v, found.blue_u], forward.map(factor), "{matrix:?} {range:?}");
            let of_blue = 2.0 * (1.0 - kb) * chroma;
            let of_red = 2.0 * (1.0 - kr) * chroma;
            let inverse =
                [[kr / luma, kg / luma, kb / luma], [-kr / of_blue, -kg / of_blue, (1.0 - kb) / of_blue], [(1.0 - kr) / of_red, -kg / of_red, -kb / of_red]];
            assert_eq!(found.inverse, inverse.map(|row| row.map(factor)), "{matrix:?} {range:?}");
        }
    }

    #[test]
    fn sums_of_extremes_stay_within_32_bits_and_are_clamped() {
        for (matrix, range) in ALL {
            let conversion = Conversion::new(matrix, range);
            for bits in 0..8u16 {
                let [y, u, v] = [0, 1, 2].map(|bit| if bits >> bit & 1 == 1 { 255 << FRACTION } else { 0 });
                conversion.rgb(y, u, v);
            }
            assert_eq!(conversion.rgb(255 << FRACTION, 128 << FRACTION, 128 << FRACTION), [255; 3]);
            assert_eq!(conversion.rgb(0, 128 << FRACTION, 128 << FRACTION), [0; 3]);
        }
    }

    #[test]
    fn colours_come_back_from_luma_and_chroma() {
        for (matrix, range) in ALL {
            let conversion = Conversion::new(matrix, range);
            for rgb in [[0; 3], [255; 3], [255, 0, 0], [0, 255, 0], [0, 0, 255], [17, 130, 201]] {
                let [y, u, v] = conversion.yuv(rgb).map(|value| u16::from(value) << FRACTION);
                let back = conversion.rgb(y, u, v);
                assert!(rgb.iter().zip(back).all(|(want, got)| want.abs_diff(got) <= 2), "{matrix:?} {range:?}: {rgb:?} {back:?}");
            }
        }
    }
}
