//! Element-wise non-linearities.

use hrvit_format::Activation;

use crate::map::Map;

/// `max(x, 0)`.
pub fn relu(x: f32) -> f32 {
    x.max(0.0)
}

/// The exact GELU `x (1 + erf(x / √2)) / 2`.
pub fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + libm::erff(x * std::f32::consts::FRAC_1_SQRT_2))
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
    fn gelu_at_known_points() {
        // x Φ(x) with Φ from tables of the normal distribution.
        for (x, y) in [(0.0, 0.0), (1.0, 0.841_344_8), (-1.0, -0.158_655_25), (3.0, 2.995_950_3), (-10.0, 0.0), (10.0, 10.0)] {
            assert!((gelu(x) - y).abs() < 1e-6, "gelu({x}) = {}", gelu(x));
        }
    }

    #[test]
    fn hardswish_is_flat_below_minus_three_and_linear_above_three() {
        assert_eq!([-4.0, -3.0, 0.0, 3.0, 5.0].map(hardswish), [-0.0, -0.0, 0.0, 3.0, 5.0]);
        assert_eq!(hardswish(1.0), 4.0 / 6.0);
    }
}
