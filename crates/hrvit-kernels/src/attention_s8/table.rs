//! Codes by distance: one table of what the definition computes from a distance, for both widths of
//! a code.

use crate::math::EXP;

/// Distance from which on every code is 0.
const END: usize = 1024;
/// Octaves that a code of 8 bits lies below one of 15 bits: both round the same entry, shifted by
/// so much more.
const OCTAVES: usize = 7;

/// Codes of 15 bits by distance. Codes of 8 bits are the same table from 7 octaves on, and as many
/// as distances of 10 bits.
static CODES: [u16; 64 * OCTAVES + END] = codes();

const fn codes() -> [u16; 64 * OCTAVES + END] {
    let mut table = [0; 64 * OCTAVES + END];
    let mut t = 0;
    while t < END {
        let n = t >> 6;
        table[t] = ((EXP[t & 63] as u32 + ((1 << n) >> 1)) >> n) as u16;
        t += 1;
    }
    table
}

/// Codes of one width by distance, 1024 of 8 bits, more of 15; the last one is 0 and stands for all
/// larger distances.
///
/// `None` for another exponent table than [`exp_table`](super::exp_table), and for a width that
/// does not exist.
#[inline(never)] // a comparison that every strip makes once
pub(super) fn codes_of(exp: &[u16], bits: u8) -> Option<&'static [u16]> {
    let first = match bits {
        15 => 0,
        8 => 64 * OCTAVES,
        _ => return None,
    };
    if exp == &EXP[..] { CODES.get(first..) } else { None }
}

#[cfg(test)]
mod tests {
    use super::super::exp_table;
    use super::*;

    #[test]
    fn equals_the_definition_at_every_distance() {
        let exp = exp_table();
        for bits in [8u8, 15] {
            let codes = codes_of(&exp, bits).unwrap();
            for t in 0..70_000usize {
                let n = (t >> 6) + 15 - usize::from(bits);
                let want = if n >= 16 { 0 } else { (u32::from(exp[t & 63]) + ((1 << n) >> 1)) >> n };
                assert_eq!(u32::from(codes[t.min(codes.len() - 1)]), want, "{bits} bits, distance {t}");
            }
        }
    }

    #[test]
    fn knows_its_own_exponents_and_widths_alone() {
        let mut exp = exp_table();
        assert!(codes_of(&exp, 9).is_none());
        exp[63] -= 1;
        assert!(codes_of(&exp, 8).is_none());
    }
}
