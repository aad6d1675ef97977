//! Attention, LayerNorm and the diversity-enhancing shortcut, on 8 and 16 bits.

use hrvit_kernels::contract::{LOGITS_S16, MAX_FRACTION, MAX_QV_S16, MIN_FRACTION};
use hrvit_kernels::{Des, Norm, Strip, StripS16, exp_table};

use super::Entry;
use super::operands::{Block, Operands};
use crate::Verdict;

pub(super) const ENTRIES: &[Entry] = &[
    ("attention_s8", attention_s8),
    ("attention_s16", attention_s16),
    ("layernorm_s8", layernorm_s8),
    ("layernorm_s16", layernorm_s16),
    ("layernorm_s16_in_place", layernorm_s16_in_place),
    ("des_s16", des_s16),
];

/// Multiplications of one call, mostly.
const WORK: usize = 24_000;

/// Largest entry of a table of powers.
const EXP_MAX: i64 = 32_640;

/// `(queries, keys, dim)`: short strips, and some up to `most` keys.
pub(super) fn strip(operands: &mut Operands<'_>, most: usize) -> (usize, usize, usize) {
    let longest = if operands.choices.u8() % 16 == 15 { 300 } else { 70 };
    let dim = operands.size(longest);
    let keys = if operands.choices.u8() % 8 == 7 { operands.size(most) } else { operands.size(80) };
    (operands.repeats(12, 2 * keys * dim, WORK), keys, dim)
}

/// The table of powers, or another that a strip may have.
fn powers(operands: &mut Operands<'_>, falling: bool) -> Block<u16> {
    let len = operands.len(64);
    let (usual, kind) = (exp_table(), operands.choices.u8() % 4);
    let [head, beyond] = [operands.parameter(None, &[Some(63), Some(0)]), operands.parameter(None, &[Some(32_641), Some(u16::MAX)])];
    let mut powers = if kind == 3 { operands.integers(len, 0, EXP_MAX) } else { operands.block(len, |_, i| usual.get(i).copied().unwrap_or_default()) };
    let entries = powers.elements_mut();
    if falling {
        entries.sort_by_key(|power| std::cmp::Reverse(*power));
    }
    if let Some(first) = entries.first_mut() {
        *first = head.unwrap_or((*first).max(64));
    }
    if let (Some(last), Some(beyond)) = (entries.last_mut(), beyond) {
        *last = beyond;
    }
    powers
}

/// The rate of distances, whose logits have some more bits than their fraction.
fn distances(operands: &mut Operands<'_>, usual: [i64; 2]) -> (i32, u8) {
    let any = operands.rate(0, 5);
    match operands.choices.u8() % 4 {
        3 => (any.mult, any.shift),
        _ => (any.mult, operands.int(usual[0], usual[1]) as u8),
    }
}

fn attention_s8(operands: &mut Operands<'_>) -> Verdict {
    let bits = operands.choices.pick(&[8, 15]);
    let (queries, keys, dim) = strip(operands, if bits == 15 { 518 } else { 1600 });
    let [q, v, out, scores] = [queries * dim, keys * dim, queries * dim, keys].map(|len| operands.len(len));
    // A strip as long as 15 bits allow has no room for values of -128.
    let least = if keys < 500 { -operands.weight() } else { -127 };
    let largest = operands.choices.pick(&[127, 127, 40, 8, 1]);
    let (q, v) = (operands.integers(q, -largest - 1, largest), operands.integers(v, least.max(-largest - 1), largest));
    let exp = powers(operands, false);
    let (mult, shift) = distances(operands, [34, 44]);
    let args = Strip { q: &q, v: &v, dim: operands.count(dim), mult, shift, exp: &exp, bits: operands.parameter(bits, &[0, 7, 9, 14, 16]) };
    let (start, scores) = (operands.words(out), operands.integers(scores, i32::MIN.into(), i32::MAX.into()));
    operands.agree(&start, |kernels, out| kernels.attention_s8(&args, scores.clone().elements_mut(), out))
}

fn attention_s16(operands: &mut Operands<'_>) -> Verdict {
    let (queries, keys, dim) = strip(operands, 1600);
    let [q, v, out, scores] = [queries * dim, keys * dim, queries * dim, keys].map(|len| operands.len(len));
    let dim = operands.count(dim);
    let largest = operands.choices.pick(&[1, 40, 1000, MAX_QV_S16]);
    let most = ((LOGITS_S16 - 1) / largest / i64::try_from(dim.max(1)).unwrap_or(i64::MAX)).min(1 << 15);
    let (q, v) = match operands.within() {
        true => (operands.integers(q, -most, most.min(i16::MAX.into())), operands.integers(v, -largest, largest)),
        false => (operands.words(q), operands.words(v)),
    };
    let exp = powers(operands, true);
    let (mult, shift) = distances(operands, [38, 52]);
    let args = StripS16 { q: &q, v: &v, dim, mult, shift, exp: &exp };
    let (start, scores) = (operands.words(out), operands.integers(scores, i32::MIN.into(), i32::MAX.into()));
    operands.agree(&start, |kernels, out| kernels.attention_s16(&args, scores.clone().elements_mut(), out))
}

/// Tokens of a LayerNorm and its parameters.
struct Normalised {
    x: Block<i16>,
    gain: Block<i32>,
    offset: Block<i32>,
    eps: u64,
    shift: u8,
    fraction: u8,
}

impl Normalised {
    fn draw(operands: &mut Operands<'_>) -> Self {
        let channels = match operands.choices.u8() {
            255 => operands.size(16_384),
            // About as many as make normalised channels saturate: `sqrt(1024) * 2^10 = 2^15`.
            200.. => operands.choices.pick(&[1023, 1024, 1025, 1200, 700, 400]),
            _ => operands.size(300),
        };
        let tokens = operands.repeats(20, channels, 2000);
        let [x, gains, offsets] = [tokens * channels, channels, channels].map(|len| operands.len(len));
        let x = match operands.choices.u8() % 4 {
            // Around one number, the variance is small and the mean is not.
            0 => {
                let about = operands.int(-32_760, 32_760);
                operands.integers(x, about - 8, about + 7)
            }
            // One of many, the normalised channel is as large as it can be.
            1 => {
                let [one, rest] = operands.choices.pick(&[[i16::MAX, i16::MIN], [i16::MIN, i16::MAX], [1, 0]]);
                let at = operands.int(0, channels as i64 - 1) as usize;
                operands.block(x, |_, i| if i % channels == at { one } else { rest })
            }
            _ => operands.words(x),
        };
        let (gain, offset) = (operands.wide(gains, (1 << 15) - 1), operands.wide(offsets, (1 << 30) - 1));
        let eps = match operands.choices.u8() % 4 {
            0 => 1,
            1 => 1 << (operands.choices.u8() % 63),
            2 => operands.bits() % (1 << 62) + 1,
            _ => operands.bits() % (1 << 20) + 1,
        };
        let shift = match operands.choices.u8() % 4 {
            0 => operands.choices.pick(&[1, 29, 30]),
            _ => operands.int(1, 30) as u8,
        };
        let (eps, shift) = (operands.parameter(eps, &[0, (1 << 62) + 1, u64::MAX]), operands.parameter(shift, &[0, 31, u8::MAX]));
        let fraction = match operands.choices.u8() % 2 {
            0 => MIN_FRACTION,
            _ => operands.int(MIN_FRACTION.into(), MAX_FRACTION.into()) as u8,
        };
        let fraction = operands.parameter(fraction, &[0, 9, 16, u8::MAX]);
        Self { x, gain, offset, eps, shift, fraction }
    }

    fn view(&self) -> Norm<'_> {
        Norm { gain: &self.gain, offset: &self.offset, eps: self.eps, shift: self.shift, fraction: self.fraction }
    }
}

fn layernorm_s8(operands: &mut Operands<'_>) -> Verdict {
    let norm = Normalised::draw(operands);
    let (range, len) = (operands.range(), operands.len(norm.x.len()));
    let start = operands.codes(len);
    operands.agree(&start, |kernels, out| kernels.layernorm_s8(&norm.x, &norm.view(), range.lo, range.hi, out))
}

fn layernorm_s16(operands: &mut Operands<'_>) -> Verdict {
    let norm = Normalised::draw(operands);
    let len = operands.len(norm.x.len());
    let start = operands.words(len);
    operands.agree(&start, |kernels, out| kernels.layernorm_s16(&norm.x, &norm.view(), out))
}

fn layernorm_s16_in_place(operands: &mut Operands<'_>) -> Verdict {
    let norm = Normalised::draw(operands);
    operands.agree(&norm.x, |kernels, x| kernels.layernorm_s16_in_place(x, &norm.view()))
}

fn des_s16(operands: &mut Operands<'_>) -> Verdict {
    let (k, p) = (operands.size(33), operands.size(33));
    let tokens = operands.repeats(6, k * p * (k + p), WORK);
    let [x, out, hidden, rights, lefts, right_biases, left_biases] = [tokens * k * p, tokens * k * p, k * p, p * p, k * k, p, k].map(|len| operands.len(len));
    let x = operands.words(x);
    let (right, left) = (operands.weights(rights), operands.weights(lefts));
    let [right_most, left_most] = [p, k].map(|terms| (terms as i64) << 15).map(|most| most * operands.weight());
    let [right_pre, left_pre] = [right_most, left_most].map(|most| operands.pre_shift(most));
    let [right_room, left_room] = [operands.room(right_most, right_pre), operands.room(left_most, left_pre)];
    let (right_bias, left_bias) = (operands.integers(right_biases, -right_room, right_room), operands.integers(left_biases, -left_room, left_room));
    let (right_rates, left_rates) = (operands.rates(p, right_pre, 14), operands.rates(k, left_pre, 9));
    let entries = operands.entries();
    let (table, zero) = (operands.words(entries), operands.zero(entries));
    let args = Des {
        x: &x,
        k: operands.count(k),
        p: operands.count(p),
        right: &right,
        right_bias: &right_bias,
        right_requant: right_rates.view(),
        zero,
        table: &table,
        left: &left,
        left_bias: &left_bias,
        left_requant: left_rates.view(),
    };
    let (start, hidden) = (operands.wide(out, (1 << 30) - 1), operands.words(hidden));
    operands.agree(&start, |kernels, out| kernels.des_s16(&args, hidden.clone().elements_mut(), out))
}
