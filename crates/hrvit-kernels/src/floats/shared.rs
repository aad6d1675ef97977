//! Functions of the primitives that several families share: reads across an end, ways of storing.

/// Makes them for an instruction set of `$features`.
macro_rules! shared {
    ($features:literal) => {
        /// The values from `first` on, up to 8, zeros beyond the end.
        #[inline]
        #[target_feature(enable = $features)]
        pub(crate) fn load_up_to(values: &[f32], first: usize) -> Eight {
            match window(values, first) {
                Some(eight) => load_f32(eight),
                // One after the other: compilers make a call of a loop that copies.
                None => load_f32(&core::array::from_fn(|i| values.get(first + i).copied().unwrap_or(0.0))),
            }
        }

        /// Stores the first `len` of the sums of neighbouring channels from element `at` on. A
        /// range outside of the output, of which no caller has one, stores nothing.
        #[inline]
        #[target_feature(enable = $features)]
        pub(crate) fn put<const N: usize>(epilogue: &mut EpilogueF16<'_>, at: usize, sums: &[Eight; N], len: usize) {
            let mut all = [[0.0; LANES]; N];
            let act = match epilogue {
                EpilogueF16::Store { act, .. } => *act,
                EpilogueF16::Add { .. } | EpilogueF16::Sum { .. } => ActivationF16::None,
            };
            all.iter_mut().zip(sums).for_each(|(all, sums)| store_f32(all, activate(act, *sums)));
            let sums = all.as_flattened().get(..len).unwrap_or_default();
            match epilogue {
                EpilogueF16::Store { out, .. } => EpilogueF16::Store { out, act: ActivationF16::None }.store(at, sums),
                other => other.store(at, sums),
            }
        }

        /// Puts rows of `N` times 8 sums, the first from element `at` on, each `stride` elements
        /// behind the one before. Nothing where the output does not hold all, of which no caller
        /// has one.
        #[target_feature(enable = $features)]
        pub(crate) fn put_rows<const N: usize>(epilogue: &mut EpilogueF16<'_>, at: usize, stride: usize, sums: &[[Eight; N]]) {
            match epilogue {
                EpilogueF16::Store { out, act: ActivationF16::None } => $crate::floats::shared::each_eight!(out, at, stride, sums, |to, sums| store(to, *sums)),
                EpilogueF16::Store { out, act: ActivationF16::Gelu } => {
                    let Some(mut row) = first_row(out, at, stride, sums.len(), N * LANES) else { return };
                    let (pairs, last) = sums.as_chunks::<2>();
                    for [low, high] in pairs {
                        for n in 0..N {
                            let [low, high] = gelu_of_two([low[n], high[n]]);
                            // SAFETY: as above, for two rows.
                            unsafe {
                                store(&mut *row.add(n * LANES).cast(), low);
                                store(&mut *row.add(stride + n * LANES).cast(), high);
                            }
                        }
                        row = row.wrapping_add(2 * stride);
                    }
                    for (n, sums) in last.as_flattened().iter().enumerate() {
                        // SAFETY: as above.
                        unsafe { store(&mut *row.add(n * LANES).cast(), gelu(*sums)) };
                    }
                }
                EpilogueF16::Store { out, act } => {
                    let act = *act;
                    $crate::floats::shared::each_eight!(out, at, stride, sums, |to, sums| store(to, activate(act, *sums)));
                }
                EpilogueF16::Add { out } => $crate::floats::shared::each_eight!(out, at, stride, sums, |to, sums| store(to, add(load(to), *sums))),
                EpilogueF16::Sum { out } => $crate::floats::shared::each_eight!(out, at, stride, sums, |to, sums| store_f32(to, add(load_f32(to), *sums))),
            }
        }
    };
}

/// Puts every 8 sums of rows, of whose places `out` holds all.
macro_rules! each_eight {
    ($out:ident, $at:expr, $stride:expr, $sums:expr, |$to:ident, $eight:ident| $put:expr) => {{
        let Some(mut row) = first_row($out, $at, $stride, $sums.len(), N * LANES) else { return };
        for sums in $sums {
            for (n, $eight) in sums.iter().enumerate() {
                // SAFETY: `first_row` has seen that the output holds the elements of each row; the
                // pointer is not used behind the last.
                let $to = unsafe { &mut *row.add(n * LANES).cast::<[_; LANES]>() };
                $put;
            }
            row = row.wrapping_add($stride);
        }
    }};
}

pub(crate) use {each_eight, shared};
