//! Any lengths and any scalar parameters: every entry returns, on every instruction set, `Ok` or
//! `Err`, and an `Err` leaves the output as it was.

mod common;

use hrvit_kernels::*;
use proptest::prelude::*;

/// Small lengths that often fit each other, and sometimes huge ones.
fn count() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 0usize..5, 2 => Just(8usize), 1 => Just(usize::MAX), 1 => Just(usize::MAX / 2 + 1)]
}

/// Shifts of margins, most of them in range.
fn shift() -> impl Strategy<Value = u8> {
    prop_oneof![3 => 0u8..=31, 1 => any::<u8>()]
}

fn len() -> impl Strategy<Value = usize> {
    prop_oneof![Just(0usize), Just(1), Just(2), Just(4), Just(8), Just(9), Just(16), Just(18), Just(32), Just(36), 0usize..40]
}

fn range8() -> impl Strategy<Value = Range8> {
    (any::<i32>(), -140..140i32, -140..140i32).prop_map(|(zero, lo, hi)| Range8 { zero, lo, hi })
}

/// Multipliers and shifts of any value.
fn rates() -> impl Strategy<Value = (Vec<i32>, Vec<u8>, u8)> {
    (len(), any::<[i32; 40]>(), any::<[u8; 40]>(), 0u8..33).prop_map(|(len, mult, shift, pre_shift)| (mult[..len].to_vec(), shift[..len].to_vec(), pre_shift))
}

/// Kernels of every instruction set of this machine.
fn all_kernels() -> impl Iterator<Item = Kernels> {
    Isa::available().filter_map(|isa| Kernels::new(isa).ok())
}

/// An output that shows whether it was written: runs `call` and checks it after an error.
fn untouched(len: usize, call: impl FnOnce(&mut [i8]) -> Result<(), ShapeError>) {
    let mut out = vec![common::CANARY; len];
    if call(&mut out).is_err() {
        assert_eq!(out, vec![common::CANARY; len]);
    }
}

/// [`untouched`] of labels and margins.
fn both_untouched(labels: usize, margins: usize, call: impl FnOnce(&mut [u8], &mut [u8]) -> Result<(), ShapeError>) {
    let (mut out, mut beside) = (vec![0x5a; labels], vec![0x5a; margins]);
    if call(&mut out, &mut beside).is_err() {
        assert_eq!((out, beside), (vec![0x5a; labels], vec![0x5a; margins]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn products(a in len(), depth in count(), w in len(), b in len(), out in len(), rates in rates(), range in range8()) {
        for kernels in all_kernels() {
            let (a8, a16, w, b) = (vec![-128i8; a], vec![-32768i16; a], vec![-127i8; w], vec![5i32; b]);
            let requant = Requant { mult: &rates.0, shift: &rates.1, pre_shift: rates.2 };
            let table = [1i8, 2, 3];
            untouched(out, |out| kernels.gemm_s8(&Gemm { a: &a8, depth, weights: &w, bias: &b, requant }, Epilogue::Store8 { out, range }));
            untouched(out, |out| kernels.gemm_s16(&GemmS16 { a: &a16, depth, weights: &w, bias: &b, requant }, Epilogue::Table8 { out, table: &table, zero: range.zero }));
        }
    }

    #[test]
    fn convolutions(
        row in len(), columns in count(), strides in [count(), count(), count(), count()], kernel in count(), w in len(), b in len(), out in len(),
        rates in rates(), range in range8(), missing in 0usize..8
    ) {
        for kernels in all_kernels() {
            let (row, w, b) = (vec![-128i8; row], vec![-127i8; w], vec![5i32; b]);
            let rows: Vec<Option<&[i8]>> = (0..kernel.min(9)).map(|ky| (ky != missing).then_some(&row[..])).collect();
            let requant = Requant { mult: &rates.0, shift: &rates.1, pre_shift: rates.2 };
            let [in_stride, stride, weight_stride, out_stride] = strides;
            let args = Depthwise { rows: &rows, in_stride, columns, kernel, stride, pad: 7, weights: &w, weight_stride, bias: &b, requant };
            untouched(out, |out| kernels.depthwise_s8(&args, Epilogue::Store8 { out, range }, out_stride));
            untouched(out, |out| kernels.im2row_s8([0, 1, 2].map(|ky| (ky != missing).then_some(&row[..])), in_stride, stride, 7, out));
        }
    }

    #[test]
    fn tokens(x in len(), channels in len(), offset in len(), eps in any::<u64>(), shift in any::<u8>(), fraction in any::<u8>(), lo in -140..140i32, hi in -140..140i32, out in len()) {
        for kernels in all_kernels() {
            let (x, gain, offset) = (vec![32767i16; x], vec![i32::MIN; channels], vec![i32::MAX; offset]);
            let norm = Norm { gain: &gain, offset: &offset, eps, shift, fraction };
            untouched(out, |out| kernels.layernorm_s8(&x, &norm, lo, hi, out));
            let _ = kernels.layernorm_s16_in_place(&mut x.clone(), &norm);
            let _ = kernels.layernorm_s16(&x, &norm, &mut vec![0; out]);
        }
    }

    #[test]
    fn strips(
        q in len(), v in len(), dim in count(), mult in any::<i32>(), shift in any::<u8>(), bits in prop_oneof![Just(8u8), Just(15), any::<u8>()],
        scores in len(), out in len()
    ) {
        for kernels in all_kernels() {
            let (q, v, exp) = (vec![-128i8; q], vec![-127i8; v], exp_table());
            let _ = kernels.attention_s8(&Strip { q: &q, v: &v, dim, mult, shift, exp: &exp, bits }, &mut vec![0; scores], &mut vec![0; out]);
        }
    }

    #[test]
    fn shortcuts(x in len(), k in count(), p in count(), w in [len(), len()], rates in rates(), zero in any::<i32>(), hidden in len(), out in len()) {
        for kernels in all_kernels() {
            let (x, right, left, bias) = (vec![-32768i16; x], vec![-127i8; w[0]], vec![127i8; w[1]], vec![3i32; 40]);
            let requant = |n: usize| Requant { mult: &rates.0[..n.min(rates.0.len())], shift: &rates.1[..n.min(rates.1.len())], pre_shift: rates.2 };
            let des = Des {
                x: &x, k, p, right: &right, right_bias: &bias[..p.min(40)], right_requant: requant(p), zero, table: &[32767], left: &left,
                left_bias: &bias[..k.min(40)], left_requant: requant(k),
            };
            let _ = kernels.des_s16(&des, &mut vec![0; hidden], &mut vec![0; out]);
        }
    }

    #[test]
    fn elements(x in len(), other in len(), out in len(), rates in rates(), range in range8(), three in any::<i32>(), tokens in any::<u32>()) {
        for kernels in all_kernels() {
            let (x16, x32, v) = (vec![-32768i16; x], vec![i32::MIN; x], vec![-128i8; x]);
            let requant = Requant { mult: &rates.0, shift: &rates.1, pre_shift: rates.2 };
            let scalar = TensorRequant { mult: three, shift: rates.2, pre_shift: rates.2 };
            untouched(out, |out| kernels.hardswish_s8(&v, &vec![three; other], requant, range, out));
            untouched(out, |out| kernels.hardswish_s16(&x16, three, scalar, range, out));
            untouched(out, |out| kernels.table_s8(&x32, scalar, range.zero, &vec![9; other], out));
            untouched(out, |out| kernels.store_s8(&x32, scalar, range, out));
            untouched(out, |out| kernels.narrow_s16(&x16, requant, range, out));
            let _ = kernels.rescale_s16(&x16, requant, &mut vec![0; out]);
            let _ = kernels.rescale_add32(&x16, requant, &mut vec![i32::MAX; out]);
            let _ = kernels.add_s16(&mut x16.clone(), &vec![i32::MIN; other]);
            let _ = kernels.add_s32(&mut x32.clone(), &vec![i32::MIN; other]);
            let _ = kernels.mean_s8(&mut vec![i32::MAX; other], &v, range.zero);
            let _ = kernels.mean_finish(&x32, tokens, &mut vec![0; out]);
        }
    }

    #[test]
    fn rows(
        upper in len(), lower in len(), weights in any::<[i32; 2]>(), unit in 0..20i32, channels in count(), factor in count(), scale in any::<i32>(), out in len(),
        k in shift(), other in prop::option::of(len())
    ) {
        for kernels in all_kernels() {
            let margins = other.unwrap_or(out);
            let (upper, lower) = (vec![-32768i16; upper], vec![32767i16; lower]);
            for [near, far] in [weights, [unit, (factor.min(8) as i32 * 2) - unit]] {
                let _ = kernels.bilinear_add_s16(&upper, &lower, near, far, channels, factor, scale, 0, &mut vec![i32::MAX; out]);
                let _ = kernels.argmax_s16(&upper, &lower, near, far, channels, factor, &mut vec![0; out]);
                both_untouched(out, margins, |out, margins| kernels.argmax_margin_s16(&upper, &lower, near, far, channels, factor, out, k, margins));
            }
            phase(out, factor, channels.min(100));
        }
    }
}
