//! Element-wise non-linearities.
#![allow(clippy::needless_range_loop, reason = "lanes of several arrays go by one index")]

use std::sync::LazyLock;

use hrvit_format::Activation;

use crate::map::Map;
use crate::wide;

/// `max(x, 0)`.
#[inline]
pub fn relu(x: f32) -> f32 {
    x.max(0.0)
}

/// The exact GELU `x Φ(x) = x (1 + erf(x / √2)) / 2`.
///
/// Φ comes from a table of it and its derivative, Hermite-cubic in f64 between points 1/64 apart.
/// Its error is below 1e-9 everywhere, less than the rounding of `1 + erf` to f32. From 8 on in
/// both directions, Φ is 1 or 0.
pub fn gelu(x: f32) -> f32 {
    let mut block = [x];
    cubic(&TABLE, &mut block);
    block[0]
}

/// The table of Φ covers -8 to 8.
const RANGE: f64 = 8.0;
/// Points of the table per unit.
const POINTS: f64 = 64.0;
/// Stretches between points; a power of two.
const STRETCHES: usize = 1024;

/// Per stretch the coefficients of the cubic.
type Table = [[f64; 4]; STRETCHES];

static TABLE: LazyLock<Box<Table>> = LazyLock::new(normal_table);

/// Values that loops take at a time.
const LANES: usize = 16;

/// `x Φ(x)` of a block. Only the table is looked up value by value.
#[inline(always)]
fn cubic<const N: usize>(table: &Table, block: &mut [f32; N]) {
    // Adding 2^52 to a whole number leaves it in the lowest bits.
    const WHOLE: f64 = 4_503_599_627_370_496.0;
    let (mut stretch, mut t) = ([0u64; N], [0.0f64; N]);
    for i in 0..N {
        let position = ((f64::from(block[i]) + RANGE) * POINTS).clamp(0.0, STRETCHES as f64 - 1e-3);
        let first = position.floor();
        stretch[i] = (first + WHOLE).to_bits();
        t[i] = position - first;
    }
    let mut coefficients = [[0.0f64; N]; 4];
    for i in 0..N {
        let found = &table[stretch[i] as usize & (STRETCHES - 1)];
        for k in 0..4 {
            coefficients[k][i] = found[k];
        }
    }
    let [a, b, c, d] = coefficients;
    for i in 0..N {
        let (x, t) = (block[i], t[i]);
        let inside = (f64::from(x) * (a[i] + t * (b[i] + t * (c[i] + t * d[i])))) as f32;
        let upper = if x >= RANGE as f32 { x } else { inside };
        block[i] = if x < -RANGE as f32 { 0.0 } else { upper };
    }
}

/// Φ from -8 to 8.
fn normal_table() -> Box<Table> {
    let point = |i: usize| {
        let x = i as f64 / POINTS - RANGE;
        let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
        (0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2), density / POINTS)
    };
    let mut table = Box::new([[0.0; 4]; STRETCHES]);
    for (i, coefficients) in table.iter_mut().enumerate() {
        let ((y0, d0), (y1, d1)) = (point(i), point(i + 1));
        let rise = y1 - y0;
        *coefficients = [y0, d0, 3.0 * rise - 2.0 * d0 - d1, d0 + d1 - 2.0 * rise];
    }
    table
}

/// `x · clamp(x + 3, 0, 6) / 6`.
#[inline]
pub fn hardswish(x: f32) -> f32 {
    x * (x + 3.0).clamp(0.0, 6.0) / 6.0
}

/// Applies the diversity-enhancing shortcut's non-linearity in place.
pub fn activate(map: &mut Map, activation: Activation) {
    match activation {
        Activation::Gelu => apply_gelu(map),
        Activation::Hardswish => apply(map, hardswish),
    }
}

/// Applies `f` to every value in place.
pub fn apply(map: &mut Map, f: impl Fn(f32) -> f32) {
    each(&mut map.data, f);
}

wide! {
    fn each ['a, F: Fn(f32) -> f32] ['a, F] (values: &'a mut [f32], f: F) -> () {
        for x in values {
            *x = f(*x);
        }
    }
}

/// [`gelu`] of every value in place.
pub fn apply_gelu(map: &mut Map) {
    gelu_of_all(&TABLE, &mut map.data);
}

wide! {
    fn gelu_of_all ['a] ['a] (table: &'a Table, values: &'a mut [f32]) -> () {
        let (blocks, rest) = values.as_chunks_mut::<LANES>();
        for block in blocks {
            cubic(table, block);
        }
        for x in rest.as_chunks_mut::<1>().0 {
            cubic(table, x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gelu_equals_its_definition_everywhere() {
        for i in -1_000_000..=1_000_000 {
            let x = i as f32 * 1.3e-5;
            let exact = 0.5 * f64::from(x) * libm::erfc(-f64::from(x) * std::f64::consts::FRAC_1_SQRT_2);
            // Half a unit in the last place of f32, beside the table's error.
            let tolerance = exact.abs() * f64::from(f32::EPSILON) / 2.0 + 1e-9;
            assert!((f64::from(gelu(x)) - exact).abs() <= tolerance, "gelu({x}) = {}, expected {exact}", gelu(x));
        }
    }

    #[test]
    fn gelu_of_a_map_has_the_same_bits() {
        let data: Vec<f32> = (-70_000..70_003).map(|i| i as f32 * 1.7e-4).chain([f32::INFINITY, f32::NEG_INFINITY]).collect();
        let mut map = Map { rows: 1, columns: 1, channels: data.len(), data };
        let expected: Vec<u32> = map.data.iter().map(|&x| gelu(x).to_bits()).collect();
        apply_gelu(&mut map);
        assert!(map.data.iter().map(|x| x.to_bits()).eq(expected));
    }

    #[test]
    fn gelu_outside_of_its_table() {
        assert_eq!([-1e30, -9.0, 9.0, 1e30].map(gelu), [0.0, 0.0, 9.0, 1e30]);
        assert!(gelu(f32::NAN).is_nan());
    }

    #[test]
    fn hardswish_is_flat_below_minus_three_and_linear_above_three() {
        assert_eq!([-4.0, -3.0, 0.0, 3.0, 5.0].map(hardswish), [-0.0, -0.0, 0.0, 3.0, 5.0]);
        assert_eq!(hardswish(1.0), 4.0 / 6.0);
    }
}
