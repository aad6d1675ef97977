//! From luma and chroma of a camera to red, green and blue.
//!
//! With `Kr` and `Kb` of the matrix (BT.601: 0.299 and 0.114; BT.709: 0.2126 and 0.0722) and
//! `Kg = 1 - Kr - Kb`, for 8-bit `Y`, `U` (Cb) and `V` (Cr):
//!
//! ```text
//! limited range: y = (Y - 16) 255/219    u = (U - 128) 255/224    v = (V - 128) 255/224
//! full range:    y = Y                   u = U - 128              v = V - 128
//!
//! R = y + 2 (1 - Kr) v
//! G = y - 2 (1 - Kb) Kb/Kg u - 2 (1 - Kr) Kr/Kg v
//! B = y + 2 (1 - Kb) u
//! ```
//!
//! Factors are rounded to 16 fractional bits, results to the nearest of 0 to 255. Chroma of fewer
//! rows or columns counts for all pixels that it stands for.

use clap::ValueEnum;

/// Fractional bits of the factors.
const BITS: u32 = 16;

/// Which matrix a camera or video uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Matrix {
    /// ITU-R BT.601: cameras, standard definition
    #[default]
    Bt601,
    /// ITU-R BT.709: high definition
    Bt709,
}

/// Factors of one matrix and range.
#[derive(Clone, Copy, Debug)]
pub struct Conversion {
    /// Black.
    offset: i32,
    luma: i32,
    red_v: i32,
    green_u: i32,
    green_v: i32,
    blue_u: i32,
}

impl Conversion {
    /// For a matrix, and luma of 0 to 255 (`full`) or 16 to 235.
    pub fn new(matrix: Matrix, full: bool) -> Self {
        let (kr, kb) = match matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
        };
        let kg = 1.0 - kr - kb;
        let (offset, luma, chroma) = if full { (0, 1.0, 1.0) } else { (16, 255.0 / 219.0, 255.0 / 224.0) };
        let factor = |real: f64| (real * f64::from(1 << BITS)).round() as i32;
        Self {
            offset,
            luma: factor(luma),
            red_v: factor(chroma * 2.0 * (1.0 - kr)),
            green_u: factor(chroma * 2.0 * (1.0 - kb) * kb / kg),
            green_v: factor(chroma * 2.0 * (1.0 - kr) * kr / kg),
            blue_u: factor(chroma * 2.0 * (1.0 - kb)),
        }
    }

    /// One pixel.
    pub fn rgb(&self, y: u8, u: u8, v: u8) -> [u8; 3] {
        let y = (i32::from(y) - self.offset) * self.luma;
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        let sums = [y + self.red_v * v, y - self.green_u * u - self.green_v * v, y + self.blue_u * u];
        sums.map(|sum| ((sum + (1 << (BITS - 1))) >> BITS).clamp(0, 255) as u8)
    }

    /// One grey pixel.
    pub fn grey(&self, y: u8) -> [u8; 3] {
        self.rgb(y, 128, 128)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_colours_of_bt601_limited_come_back() {
        let conversion = Conversion::new(Matrix::Bt601, false);
        // 100 % colour bars as studios list them.
        for ([y, u, v], rgb) in [
            ([16, 128, 128], [0, 0, 0]),
            ([235, 128, 128], [255, 255, 255]),
            ([81, 90, 240], [254, 0, 0]),
            ([145, 54, 34], [0, 255, 1]),
            ([41, 240, 110], [0, 0, 255]),
        ] {
            assert_eq!(conversion.rgb(y, u, v), rgb);
        }
        assert_eq!((conversion.grey(0), conversion.grey(255)), ([0; 3], [255; 3]));
    }

    #[test]
    fn every_triple_is_the_formula_in_real_numbers() {
        for (matrix, [red, green_u, green_v, blue]) in
            [(Matrix::Bt601, [1.402, 0.344_136_286, 0.714_136_286, 1.772]), (Matrix::Bt709, [1.5748, 0.187_324_273, 0.468_124_273, 1.8556])]
        {
            for full in [false, true] {
                let conversion = Conversion::new(matrix, full);
                let (offset, luma, chroma) = if full { (0.0, 1.0, 1.0) } else { (16.0, 255.0 / 219.0, 255.0 / 224.0) };
                for (y, u, v) in (0..=255u8).step_by(5).flat_map(|y| (0..=255u8).step_by(15).flat_map(move |u| (0..=255u8).step_by(17).map(move |v| (y, u, v))))
                {
                    let [yy, uu, vv] = [(f64::from(y) - offset) * luma, (f64::from(u) - 128.0) * chroma, (f64::from(v) - 128.0) * chroma];
                    let exact = [yy + red * vv, yy - green_u * uu - green_v * vv, yy + blue * uu];
                    for (got, want) in conversion.rgb(y, u, v).into_iter().zip(exact) {
                        assert!((f64::from(got) - want.clamp(0.0, 255.0)).abs() <= 0.51, "{matrix:?}, full {full}: {y} {u} {v}: {got}, expected {want}");
                    }
                }
            }
        }
    }
}
