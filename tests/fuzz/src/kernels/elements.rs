//! Elementwise operators, sums and means of 8-bit maps.

use super::Entry;
use super::operands::{Block, Operands};
use crate::Verdict;

pub(super) const ENTRIES: &[Entry] = &[
    ("narrow_s16", narrow_s16),
    ("rescale_s16", rescale_s16),
    ("rescale_add32", rescale_add32),
    ("store_s8", store_s8),
    ("table_s8", table_s8),
    ("hardswish_s8", hardswish_s8),
    ("hardswish_s16", hardswish_s16),
    ("add_s16", add_s16),
    ("add_s32", add_s32),
    ("relu_s32", relu_s32),
    ("mean_s8", mean_s8),
    ("mean_finish", mean_finish),
];

/// Half of the range of a sum, for each of two terms.
pub(super) const TERM: i64 = (1 << 30) - 1;

/// `(tokens, channels)` of a map.
pub(super) fn map(operands: &mut Operands<'_>) -> (usize, usize) {
    let channels = operands.size(100);
    (operands.repeats(60, channels, 2000), channels)
}

/// Elements of a map.
pub(super) fn elements(operands: &mut Operands<'_>) -> usize {
    let (tokens, channels) = map(operands);
    tokens * channels
}

fn narrow_s16(operands: &mut Operands<'_>) -> Verdict {
    let (tokens, channels) = map(operands);
    let [x, out] = [(); 2].map(|()| operands.len(tokens * channels));
    let pre_shift = operands.pre_shift(1 << 15);
    let (x, rates, range, start) = (operands.words(x), operands.rates(channels, pre_shift, 8), operands.range(), operands.codes(out));
    operands.agree(&start, |kernels, out| kernels.narrow_s16(&x, rates.view(), range, out))
}

fn rescale_s16(operands: &mut Operands<'_>) -> Verdict {
    let (tokens, channels) = map(operands);
    let [x, out] = [(); 2].map(|()| operands.len(tokens * channels));
    let pre_shift = operands.pre_shift(1 << 15);
    let (x, rates, start) = (operands.words(x), operands.rates(channels, pre_shift, 1), operands.words(out));
    operands.agree(&start, |kernels, out| kernels.rescale_s16(&x, rates.view(), out))
}

fn rescale_add32(operands: &mut Operands<'_>) -> Verdict {
    let (tokens, channels) = map(operands);
    let [x, out] = [(); 2].map(|()| operands.len(tokens * channels));
    let pre_shift = operands.pre_shift(1 << 15);
    let (x, rates, start) = (operands.words(x), operands.rates(channels, pre_shift, 1), operands.wide(out, TERM));
    operands.agree(&start, |kernels, out| kernels.rescale_add32(&x, rates.view(), out))
}

/// Accumulators, their `pre_shift`, and the elements of an output.
pub(super) fn accumulators(operands: &mut Operands<'_>) -> (Block<i32>, u8, usize) {
    let len = elements(operands);
    let [x, out] = [(); 2].map(|()| operands.len(len));
    let most = (1i64 << (1 + operands.choices.u8() % 31)) - 1;
    let pre_shift = operands.pre_shift(most);
    (operands.wide(x, most), pre_shift, out)
}

fn store_s8(operands: &mut Operands<'_>) -> Verdict {
    let (acc, pre_shift, out) = accumulators(operands);
    let surplus = operands.choices.u8() % 24;
    let (rate, range, start) = (operands.rate(pre_shift, surplus), operands.range(), operands.codes(out));
    operands.agree(&start, |kernels, out| kernels.store_s8(&acc, rate, range, out))
}

fn table_s8(operands: &mut Operands<'_>) -> Verdict {
    let (acc, pre_shift, out) = accumulators(operands);
    let surplus = operands.choices.u8() % 24;
    let (rate, entries, start) = (operands.rate(pre_shift, surplus), operands.entries(), operands.codes(out));
    let (table, zero) = (operands.codes(entries), operands.zero(entries));
    operands.agree(&start, |kernels, out| kernels.table_s8(&acc, rate, zero, &table, out))
}

/// 3.0 of every channel, at most `most`.
pub(super) fn threes(operands: &mut Operands<'_>, channels: usize, most: i64) -> Block<i32> {
    let (channels, wrong) = (operands.len(channels), operands.parameter(None, &[Some(0), Some(most as i32 + 1), Some(-1), Some(i32::MIN)]));
    let mut threes = operands.integers(channels, 1, most);
    if let (Some(three), Some(wrong)) = (threes.elements_mut().last_mut(), wrong) {
        *three = wrong;
    }
    threes
}

fn hardswish_s8(operands: &mut Operands<'_>) -> Verdict {
    let (tokens, channels) = map(operands);
    let [v, out] = [(); 2].map(|()| operands.len(tokens * channels));
    let most = 1 << (operands.choices.u8() % 23);
    let pre_shift = operands.pre_shift(128 * 2 * most);
    let (v, threes) = (operands.codes(v), threes(operands, channels, most));
    let surplus = operands.choices.u8() % 24;
    let (rates, range, start) = (operands.rates(channels, pre_shift, surplus), operands.range(), operands.codes(out));
    operands.agree(&start, |kernels, out| kernels.hardswish_s8(&v, &threes, rates.view(), range, out))
}

/// The one 3.0 of a map on 16 bits.
pub(super) fn three(operands: &mut Operands<'_>) -> i32 {
    let three = match operands.choices.u8() % 4 {
        0 => operands.choices.pick(&[1, 2, 32_766, 32_767]),
        _ => operands.int(1, 32_767) as i32,
    };
    operands.parameter(three, &[0, -1, 32_768, i32::MAX, i32::MIN])
}

fn hardswish_s16(operands: &mut Operands<'_>) -> Verdict {
    let len = elements(operands);
    let [x, out] = [(); 2].map(|()| operands.len(len));
    let three = three(operands);
    let pre_shift = operands.pre_shift((1 << 16) * i64::from(three));
    let (x, rate, range, start) = (operands.words(x), operands.rate(pre_shift, 22), operands.range(), operands.codes(out));
    operands.agree(&start, |kernels, out| kernels.hardswish_s16(&x, three, rate, range, out))
}

fn add_s16(operands: &mut Operands<'_>) -> Verdict {
    let len = elements(operands);
    let [x, y] = [(); 2].map(|()| operands.len(len));
    let most = i64::from(u32::MAX >> (operands.choices.u8() % 31));
    let (start, y) = (operands.words(x), operands.integers(y, (-most).max(i32::MIN.into()), most.min(i32::MAX.into())));
    operands.agree(&start, |kernels, x| kernels.add_s16(x, &y))
}

fn add_s32(operands: &mut Operands<'_>) -> Verdict {
    let len = elements(operands);
    let [acc, other] = [(); 2].map(|()| operands.len(len));
    let (start, other) = (operands.wide(acc, TERM), operands.wide(other, TERM));
    operands.agree(&start, |kernels, acc| kernels.add_s32(acc, &other))
}

fn relu_s32(operands: &mut Operands<'_>) -> Verdict {
    let len = elements(operands);
    let start = operands.integers(len, i32::MIN.into(), i32::MAX.into());
    operands.agree(&start, |kernels, acc| {
        kernels.relu_s32(acc);
        Ok(())
    })
}

fn mean_s8(operands: &mut Operands<'_>) -> Verdict {
    let (tokens, channels) = map(operands);
    let (codes, sums) = (operands.len(tokens * channels), operands.len(channels));
    let zero = i32::from(operands.choices.u8() as i8);
    let zero = operands.parameter(zero, &[128, -129, i32::MAX, i32::MIN]);
    let (codes, start) = (operands.codes(codes), operands.wide(sums, TERM));
    operands.agree(&start, |kernels, sums| kernels.mean_s8(sums, &codes, zero))
}

/// Sums, how many tokens they are of, and the elements of an output.
pub(super) fn sums(operands: &mut Operands<'_>) -> (usize, u32, usize) {
    let len = operands.repeats(100, 1, 100);
    let most = operands.choices.pick(&[1, 100, 1 << 16, u32::MAX.into()]);
    let tokens = operands.int(1, most) as u32;
    (operands.len(len), operands.parameter(tokens, &[0]), operands.len(len))
}

fn mean_finish(operands: &mut Operands<'_>) -> Verdict {
    let (sums, tokens, out) = sums(operands);
    let (sums, start) = (operands.integers::<i32>(sums, i32::MIN.into(), i32::MAX.into()), operands.words(out));
    operands.agree(&start, |kernels, out| {
        kernels.mean_finish(&sums, tokens, out)?;
        // As many tokens of one code have it for a mean, with 4 fractional bits.
        for (sum, mean) in sums.iter().zip(out) {
            let exact = 16.0 * f64::from(*sum) / f64::from(tokens);
            assert!((exact.clamp(-32768.0, 32767.0) - f64::from(*mean)).abs() <= 0.5, "the mean of {sum} over {tokens} tokens is not {mean}");
        }
        Ok(())
    })
}
