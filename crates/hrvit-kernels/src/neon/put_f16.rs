//! Ways of storing the sums of the f16 kernels.

use super::activations::activate;
use super::activations::{gelu, gelu_of_two};
use super::floats::{Eight, LANES, add, load, load_f32, store, store_at, store_f32};
use crate::epilogue_f16::{ActivationF16, EpilogueF16};
use crate::slices::window_mut;

/// Stores the sums of 8 neighbouring channels from element `at` on, or as many of them as `len`
/// says. A range outside of the output, of which no caller has one, stores nothing.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn put(epilogue: &mut EpilogueF16<'_>, at: usize, sums: Eight, len: usize) {
    if len < LANES {
        let mut all = [0.0; LANES];
        match epilogue {
            EpilogueF16::Store { act, .. } => store_f32(&mut all, activate(*act, sums)),
            EpilogueF16::Add { .. } | EpilogueF16::Sum { .. } => store_f32(&mut all, sums),
        }
        let sums = all.get(..len).unwrap_or_default();
        return match epilogue {
            EpilogueF16::Store { out, .. } => EpilogueF16::Store { out, act: ActivationF16::None }.store(at, sums),
            other => other.store(at, sums),
        };
    }
    match epilogue {
        EpilogueF16::Store { out, act } => {
            let Some(out) = window_mut(out, at) else { return };
            store(out, activate(*act, sums));
        }
        EpilogueF16::Add { out } => {
            let Some(out) = window_mut(out, at) else { return };
            store(out, add(load(out), sums));
        }
        EpilogueF16::Sum { out } => {
            let Some(out) = window_mut(out, at) else { return };
            store_f32(out, add(load_f32(out), sums));
        }
    }
}

/// Puts rows of 8 sums, the first from element `at` on, each `stride` elements behind the one
/// before. Nothing where the output does not hold all, of which no caller has one.
#[target_feature(enable = "neon")]
pub(crate) fn put_rows(epilogue: &mut EpilogueF16<'_>, at: usize, stride: usize, sums: &[Eight]) {
    fn first<T>(out: &mut [T], at: usize, stride: usize, rows: usize) -> Option<*mut T> {
        let out = out.get_mut(at..)?;
        let gaps = rows.checked_sub(1)?.checked_mul(stride)?;
        (out.len().checked_sub(LANES)? >= gaps).then_some(out.as_mut_ptr())
    }
    macro_rules! each {
        ($out:ident, |$to:ident, $sums:ident| $put:expr) => {{
            let Some(mut $to) = first($out, at, stride, sums.len()) else { return };
            for $sums in sums {
                // SAFETY: `first` has seen that the output holds 8 elements of each row; the
                // pointer is not used behind the last.
                unsafe { $put };
                $to = $to.wrapping_add(stride);
            }
        }};
    }
    match epilogue {
        EpilogueF16::Store { out, act: ActivationF16::None } => each!(out, |to, sums| store_at(to, *sums)),
        EpilogueF16::Store { out, act: ActivationF16::Gelu } => {
            let Some(mut to) = first(out, at, stride, sums.len()) else { return };
            let (pairs, last) = sums.as_chunks::<2>();
            for pair in pairs {
                let [a, b] = gelu_of_two(*pair);
                // SAFETY: as above.
                unsafe {
                    store_at(to, a);
                    store_at(to.wrapping_add(stride), b);
                }
                to = to.wrapping_add(2 * stride);
            }
            for sums in last {
                // SAFETY: as above.
                unsafe { store_at(to, gelu(*sums)) };
            }
        }
        EpilogueF16::Store { out, act } => {
            let act = *act;
            each!(out, |to, sums| store_at(to, activate(act, *sums)));
        }
        EpilogueF16::Add { out } => each!(out, |to, sums| store_at(to, add(load(&*to.cast()), *sums))),
        EpilogueF16::Sum { out } => each!(out, |to, sums| store_f32(&mut *to.cast(), add(load_f32(&*to.cast()), *sums))),
    }
}
