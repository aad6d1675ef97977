//! Any lengths, any parameters and any bits: every f16 entry returns `Ok` or `Err` on every
//! instruction set. An `Err` leaves the output unchanged.
#![cfg(feature = "fp16")]

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

/// Numbers, infinities and NaN.
fn half() -> impl Strategy<Value = f16> {
    prop_oneof![any::<u16>().prop_map(f16::from_bits), Just(f16::INFINITY), Just(f16::NAN), Just(f16::MAX)]
}

fn all_kernels() -> impl Iterator<Item = Kernels> {
    Isa::available().filter_map(|isa| Kernels::new(isa).ok())
}

/// An output that shows whether it was written: runs `call` and checks it after an error.
fn untouched(len: usize, call: impl FnOnce(&mut [f16]) -> Result<(), ShapeError>) {
    let mut out = vec![f16::ONE; len];
    if call(&mut out).is_err() {
        assert_eq!(out, vec![f16::ONE; len]);
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
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn products(x in half(), a in len(), depth in count(), w in len(), bias in any::<f32>(), b in len(), out in len(), act in 0usize..5) {
        for kernels in all_kernels() {
            let args = GemmF16 { a: &vec![x; a], depth, weights: &vec![x; w], bias: &vec![bias; b] };
            untouched(out, |out| kernels.gemm_f16(&args, EpilogueF16::Store { out, act: ActivationF16::ALL[act] }));
            untouched(out, |out| kernels.gemm_f16(&args, EpilogueF16::Add { out }));
        }
    }

    #[test]
    fn convolutions(
        x in half(), row in len(), columns in count(), strides in [count(), count(), count(), count()], kernel in count(), w in len(), b in len(), out in len(),
        missing in 0usize..8
    ) {
        for kernels in all_kernels() {
            let row = vec![x; row];
            let rows: Vec<Option<&[f16]>> = (0..kernel.min(9)).map(|ky| (ky != missing).then_some(&row[..])).collect();
            let [in_stride, stride, weight_stride, out_stride] = strides;
            let args = DepthwiseF16 { rows: &rows, in_stride, columns, kernel, stride, weights: &vec![x; w], weight_stride, bias: &vec![1.0; b] };
            untouched(out, |out| kernels.depthwise_f16(&args, EpilogueF16::Add { out }, out_stride));
            untouched(out, |out| kernels.im2row_f16([0, 1, 2].map(|ky| (ky != missing).then_some(&row[..])), in_stride, stride, out));
        }
    }

    #[test]
    fn tokens(
        value in half(), x in len(), channels in len(), offset in len(), eps in prop_oneof![any::<f32>(), Just(1e-5)], out in len(), v in len(), dim in count(),
        scratch in 0usize..200, k in count(), p in count(), w in [len(), len()]
    ) {
        for kernels in all_kernels() {
            let (x, v, gain, offset) = (vec![value; x], vec![value; v], vec![f32::MAX; channels], vec![f32::NAN; offset]);
            let norm = NormF16 { gain: &gain, offset: &offset, eps };
            untouched(out, |out| kernels.layernorm_f16(&x, &norm, out));
            let _ = kernels.layernorm_f16_in_place(&mut x.clone(), &norm);
            untouched(out, |out| kernels.attention_f16(&StripF16 { q: &x, v: &v, dim }, &mut vec![0.0; scratch], out));
            let (right, left, bias) = (vec![value; w[0]], vec![value; w[1]], [f32::MIN; 8]);
            let (right_bias, left_bias) = (&bias[..p.min(8)], &bias[..k.min(8)]);
            let des = DesF16 { x: &x, k, p, right: &right, right_bias, act: ActivationF16::Gelu, left: &left, left_bias };
            let _ = kernels.des_f16(&des, &mut vec![0.0; scratch], &mut vec![0.0; out]);
        }
    }

    #[test]
    fn elements(value in half(), x in len(), other in len(), out in len(), scale in prop_oneof![any::<f32>(), Just(0.1)], word in any::<i16>(), act in 0usize..5) {
        for kernels in all_kernels() {
            let (x16, x32, words) = (vec![value; x], vec![scale; x], vec![word; x]);
            untouched(out, |out| kernels.hardswish_f16(&x16, out));
            untouched(out, |out| kernels.activate_f32(&x32, ActivationF16::ALL[act], out));
            untouched(out, |out| kernels.add_f16(out, &x32));
            untouched(out, |out| kernels.s16_to_f16(&words, scale, out));
            untouched(out, |out| kernels.mean_finish_f16(&x32, other as u32, out));
            let _ = kernels.f16_to_s16(&x16, scale, &mut vec![0; out]);
            let _ = kernels.widen_add_f32(&x16, &mut vec![scale; other]);
            let _ = kernels.add_f32(&mut x32.clone(), &vec![f32::MAX; other]);
            kernels.relu_f32(&mut x32.clone());
            let _ = kernels.mean_f16(&mut vec![scale; other], &x16);
            let _ = kernels.pixels_f16(&vec![3; x], &mut vec![value; out]);
        }
    }

    #[test]
    fn rows(
        value in half(), upper in len(), lower in len(), weights in any::<[i32; 2]>(), unit in 0..20i32, channels in count(), factor in count(), out in len(),
        k in shift(), other in prop::option::of(len())
    ) {
        for kernels in all_kernels() {
            let margins = other.unwrap_or(out);
            let (upper, lower) = (vec![value; upper], vec![f16::MIN; lower]);
            for [near, far] in [weights, [unit, (factor.min(8) as i32 * 2) - unit]] {
                let _ = kernels.bilinear_add_f16(&upper, &lower, near, far, channels, factor, 0, &mut vec![f32::MAX; out]);
                let _ = kernels.argmax_f16(&upper, &lower, near, far, channels, factor, &mut vec![0; out]);
                both_untouched(out, margins, |out, margins| kernels.argmax_margin_f16(&upper, &lower, near, far, channels, factor, out, k, margins));
            }
        }
    }
}
