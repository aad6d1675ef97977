//! Element-wise non-linearities.

use std::sync::LazyLock;

use hrvit_format::Activation;

use crate::map::Map;

/// `max(x, 0)`.
pub fn relu(x: f32) -> f32 {
    x.max(0.0)
}

/// The exact GELU `x Φ(x) = x (1 + erf(x / √2)) / 2`.
///
/// Φ comes from a table of it and its derivative, Hermite-cubic in f64 between points 1/64 apart: its error is below 1e-9 everywhere, less than what rounding
/// `1 + erf` to f32 costs. From 8 on in both directions, Φ is 1 or 0.
pub fn gelu(x: f32) -> f32 {
    static TABLE: LazyLock<Vec<[f64; 2]>> = LazyLock::new(normal_table);
    let x = f64::from(x);
    let position = (x + RANGE) * POINTS;
    if position < 0.0 {
        return 0.0;
    }
    let first = position as usize;
    let Some(&[[y0, d0], [y1, d1]]) = TABLE.get(first..).and_then(|table| table.first_chunk()) else { return x as f32 };
    let t = position - first as f64;
    let (rise, d0, d1) = (y1 - y0, d0 / POINTS, d1 / POINTS);
    let phi = y0 + t * (d0 + t * (3.0 * rise - 2.0 * d0 - d1 + t * (d0 + d1 - 2.0 * rise)));
    (x * phi) as f32
}

/// The table of Φ covers -8 to 8.
const RANGE: f64 = 8.0;
/// Points of the table per unit.
const POINTS: f64 = 64.0;

/// Φ and its derivative from -8 to 8.
fn normal_table() -> Vec<[f64; 2]> {
    let point = |i: u32| {
        let x = f64::from(i) / POINTS - RANGE;
        let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
        [0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2), density]
    };
    (0..=(2.0 * RANGE * POINTS) as u32).map(point).collect()
}

/// `x · clamp(x + 3, 0, 6) / 6`.
pub fn hardswish(x: f32) -> f32 {
    x * (x + 3.0).clamp(0.0, 6.0) / 6.0
}

/// Applies the diversity-enhancing shortcut's non-linearity in place.
pub fn activate(map: &mut Map, activation: Activation) {
    match activation {
        Activation::Gelu => apply(map, gelu),
        Activation::Hardswish => apply(map, hardswish),
    }
}

/// Applies `f` to every value in place.
pub fn apply(map: &mut Map, f: impl Fn(f32) -> f32) {
    for x in &mut map.data {
        *x = f(*x);
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
