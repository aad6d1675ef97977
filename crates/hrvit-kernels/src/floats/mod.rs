//! The vector layer of the f16 kernels: one source of each operator for every instruction set whose
//! vectors have intrinsics.
//!
//! An instruction set's folder has a module `floats` with the primitives: [`lanewise`], loads,
//! stores, sums of lanes. Its module `product_f16` has the product of rows with blocks of 8
//! channels ([`Products`]). [`shared`]
//! and [`activations`] add what follows from those. Families are macros over the primitives, which
//! an instruction set's file calls with its token, folder and features.
//!
//! Fused products round once where the definition rounds twice; but for sums of products, whose
//! terms are exact, results may differ in the last places.

pub(crate) mod activations;
pub(crate) mod shared;

/// Declares functions of an instruction set's features, small enough to be inlined.
macro_rules! functions {
    ($features:literal; $($(#[$attribute:meta])* fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? $body:block)+) => {
        $(
            $(#[$attribute])*
            #[inline]
            #[target_feature(enable = $features)]
            pub(crate) fn $name($($argument: $type),*) $(-> $result)? $body
        )+
    };
}

/// Declares the functions that take every lane alone. `$each` applies a function of one vector to
/// what 8 lanes are.
macro_rules! lanewise {
    ($features:literal, $each:ident, {
        add: $add:expr, sub: $sub:expr, mul: $mul:expr, div: $div:expr, min: $min:expr, max: $max:expr, abs: $abs:expr,
        fma: $fma:expr, fms: $fms:expr, round: $round:expr, scale: $scale:expr,
    }) => {
        $crate::floats::functions! {
            $features;
            /// `x + y`.
            fn add(x: Eight, y: Eight) -> Eight { $each!($add, x, y) }
            /// `x - y`.
            fn sub(x: Eight, y: Eight) -> Eight { $each!($sub, x, y) }
            /// `x * y`.
            fn mul(x: Eight, y: Eight) -> Eight { $each!($mul, x, y) }
            /// `x / y`.
            fn div(x: Eight, y: Eight) -> Eight { $each!($div, x, y) }
            /// The smaller one.
            fn min(x: Eight, y: Eight) -> Eight { $each!($min, x, y) }
            /// The larger one.
            fn max(x: Eight, y: Eight) -> Eight { $each!($max, x, y) }
            /// The magnitude.
            fn abs(x: Eight) -> Eight { $each!($abs, x) }
            /// `sum + x * y`, rounded once.
            fn fma(sum: Eight, x: Eight, y: Eight) -> Eight { $each!($fma, sum, x, y) }
            /// `sum - x * y`, rounded once.
            fn fms(sum: Eight, x: Eight, y: Eight) -> Eight { $each!($fms, sum, x, y) }
            /// The nearest integer, ties to even.
            fn round(x: Eight) -> Eight { $each!($round, x) }
            /// `x * 2^power` of an integer, as long as both are normal numbers.
            fn scale(x: Eight, power: Eight) -> Eight { $each!($scale, x, power) }
        }
    };
}

/// Calls `$body` for all of `$count`: as many times as there are whole `$most` of them, then for
/// fewer, with the number of the first.
macro_rules! steps {
    ([$most:literal $($fewer:literal)*] $count:expr, |$at:ident, $here:ident| $body:expr) => {{
        let count: usize = $count;
        let mut $at = 0;
        while count - $at >= $most {
            const $here: usize = $most;
            $body;
            $at += $most;
        }
        $(if count - $at >= $fewer {
            const $here: usize = $fewer;
            $body;
            $at += $fewer;
        })*
        let _ = $at;
    }};
}

pub(crate) use {functions, lanewise, steps};

/// How `R` of up to `ROWS` rows are multiplied by `N` blocks of 8 channels, whose sums are an `E`
/// each.
pub(crate) trait Products<A, W, E, const ROWS: usize> {
    /// Adds the products to `sums`.
    ///
    /// # Safety
    /// The processor has the instructions. `depth` elements may be read from each of the first `R`
    /// of `rows`, where `R` is one of the set's `tiles`. 8 elements may be read from each of the
    /// `depth` addresses that lie `stride` bytes apart from each of `weights` on; all are aligned
    /// for their type.
    unsafe fn add<const R: usize, const N: usize>(rows: &[*const A; ROWS], weights: [*const W; N], stride: usize, depth: usize, sums: &mut [[E; N]; ROWS]);
}

/// Where the first of `rows` rows of `len` elements lies, which begin `stride` elements apart from
/// element `at` on; nothing where `out` does not hold all of them.
#[inline(always)]
pub(crate) fn first_row<T>(out: &mut [T], at: usize, stride: usize, rows: usize, len: usize) -> Option<*mut T> {
    let out = out.get_mut(at..)?;
    let gaps = rows.checked_sub(1)?.checked_mul(stride)?;
    (out.len().checked_sub(len)? >= gaps).then_some(out.as_mut_ptr())
}

/// Pointers to `R` of `N` rows of `len` elements, from row `first` of a matrix on, the last of them
/// again where there are no more.
///
/// # Safety
/// These rows exist.
#[inline(always)]
pub(crate) unsafe fn pointers<T, const R: usize, const N: usize>(matrix: &[T], len: usize, first: usize) -> [*const T; N] {
    // SAFETY: by the contract.
    core::array::from_fn(|r| unsafe { matrix.as_ptr().add((first + r.min(R - 1)) * len) })
}
