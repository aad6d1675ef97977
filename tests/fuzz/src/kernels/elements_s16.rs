//! Elementwise operators, sums and means of 16-bit codes.

use hrvit_kernels::activation_s16::ENTRIES as TABLE;
use hrvit_kernels::contract::{MAX_QV_S16, MAX_THREE_S16};

use super::Entry;
use super::elements::{TERM, accumulators, elements, map, sums, three, threes};
use super::operands::Operands;
use crate::Verdict;

pub(super) const ENTRIES: &[Entry] = &[
    ("limit_s16", limit_s16),
    ("interpolate_s16", interpolate_s16),
    ("hardswish_per_channel_s16", hardswish_per_channel_s16),
    ("hardswish_to_s16", hardswish_to_s16),
    ("store_s16", store_s16),
    ("mean_s16", mean_s16),
    ("mean_finish_s16", mean_finish_s16),
];

fn limit_s16(operands: &mut Operands<'_>) -> Verdict {
    let len = elements(operands);
    let [a, b] = [(); 2].map(|()| operands.choices.u16() as i16);
    let (lo, hi) = operands.parameter((a.min(b), a.max(b)), &[(1, 0), (i16::MAX, i16::MIN)]);
    let start = operands.words(len);
    operands.agree(&start, |kernels, x| kernels.limit_s16(x, lo, hi))
}

fn interpolate_s16(operands: &mut Operands<'_>) -> Verdict {
    let (len, entries) = (elements(operands), operands.len(TABLE));
    let (start, table) = (operands.words(len), operands.words(entries));
    operands.agree(&start, |kernels, x| kernels.interpolate_s16(x, &table))
}

fn hardswish_per_channel_s16(operands: &mut Operands<'_>) -> Verdict {
    let (tokens, channels) = map(operands);
    let [v, out] = [(); 2].map(|()| operands.len(tokens * channels));
    let (most, key) = (i64::from(MAX_THREE_S16 >> (operands.choices.u8() % 18)), MAX_QV_S16);
    let pre_shift = operands.pre_shift(key * 2 * most);
    let v = if operands.within() { operands.integers(v, -key, key) } else { operands.words(v) };
    let threes = threes(operands, channels, if operands.within() { most } else { MAX_THREE_S16.into() });
    let (rates, start) = (operands.rates(channels, pre_shift, 15), operands.words(out));
    operands.agree(&start, |kernels, out| kernels.hardswish_per_channel_s16(&v, &threes, rates.view(), out))
}

fn hardswish_to_s16(operands: &mut Operands<'_>) -> Verdict {
    let len = elements(operands);
    let [x, out] = [(); 2].map(|()| operands.len(len));
    let three = three(operands);
    let pre_shift = operands.pre_shift((1 << 16) * i64::from(three));
    let (x, rate, start) = (operands.words(x), operands.rate(pre_shift, 15), operands.words(out));
    operands.agree(&start, |kernels, out| kernels.hardswish_to_s16(&x, three, rate, out))
}

fn store_s16(operands: &mut Operands<'_>) -> Verdict {
    let (acc, pre_shift, out) = accumulators(operands);
    let surplus = operands.choices.u8() % 16;
    let (rate, start) = (operands.rate(pre_shift, surplus), operands.words(out));
    operands.agree(&start, |kernels, out| kernels.store_s16(&acc, rate, out))
}

fn mean_s16(operands: &mut Operands<'_>) -> Verdict {
    let (tokens, channels) = map(operands);
    let (codes, sums) = (operands.len(tokens * channels), operands.len(channels));
    let (codes, start) = (operands.words(codes), operands.wide(sums, TERM));
    operands.agree(&start, |kernels, sums| kernels.mean_s16(sums, &codes))
}

fn mean_finish_s16(operands: &mut Operands<'_>) -> Verdict {
    let (sums, tokens, out) = sums(operands);
    let (sums, start) = (operands.integers::<i32>(sums, i32::MIN.into(), i32::MAX.into()), operands.words(out));
    operands.agree(&start, |kernels, out| {
        kernels.mean_finish_s16(&sums, tokens, out)?;
        for (sum, mean) in sums.iter().zip(out) {
            let exact = f64::from(*sum) / f64::from(tokens);
            assert!((exact.clamp(-32768.0, 32767.0) - f64::from(*mean)).abs() <= 0.5, "the mean of {sum} over {tokens} tokens is not {mean}");
        }
        Ok(())
    })
}
