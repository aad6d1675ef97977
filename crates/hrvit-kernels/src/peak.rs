//! Peak of a processor with exact 32-bit sums of 8-bit products: loops of an instruction set's
//! multiplications on registers alone, no memory, sums included. A kernel's MACs per second over
//! the best loop's are its share of the peak.
//!
//! There are loops for x86-64; for other instruction sets [`Kernels::peaks`] is empty.

use crate::kernels::Kernels;

/// A loop that an instruction set has.
#[derive(Clone, Copy, Debug)]
pub struct Peak {
    name: &'static str,
    /// Products of one turn.
    macs: u64,
    run: fn(u32),
}

impl Peak {
    /// The instructions, in their order.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Runs the loop and returns the number of products that it made.
    pub fn run(&self, turns: u32) -> u64 {
        (self.run)(turns);
        u64::from(turns) * self.macs
    }
}

impl Kernels {
    /// The loops of this instruction set and of those that it includes; none where none was
    /// written.
    pub fn peaks(self) -> &'static [Peak] {
        #[cfg(target_arch = "x86_64")]
        return match self.tier {
            #[cfg(feature = "orders")]
            crate::isa::IsaToken::Emulated(emulated) => Self { tier: emulated.beside() }.peaks(),
            crate::isa::IsaToken::Scalar => &[],
            crate::isa::IsaToken::Avx2(_) => &x86_64::AVX2,
            crate::isa::IsaToken::AvxVnni(_) => &x86_64::AVX_VNNI,
            crate::isa::IsaToken::Avx512(_) => &x86_64::AVX512,
        };
        #[cfg(not(target_arch = "x86_64"))]
        &[]
    }
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use core::arch::asm;
    use core::arch::x86_64::*;
    use core::hint::black_box;

    use super::Peak;

    /// Declares a loop over a number of sums: `$step` gives a sum's next value from it, two
    /// operands and a vector of ones.
    macro_rules! peak {
        ($peak:ident, $name:literal, $features:literal, $register:ident, $set:ident, $macs:literal, $sums:literal, |$acc:ident, $a:ident, $b:ident, $one:ident| $step:expr) => {
            const $peak: Peak = {
                #[target_feature(enable = $features)]
                fn turns(turns: u32) {
                    let ($a, mut $b, $one) = (black_box($set(0x0105)), black_box($set(0x0103)), black_box($set(1)));
                    let mut sums = [$set(0); $sums];
                    for _ in 0..turns {
                        for sum in &mut sums {
                            let $acc = *sum;
                            *sum = $step;
                            // Keeps the compiler from computing less, or once: both may have
                            // changed.
                            // SAFETY: no instruction at all.
                unsafe { asm!("/* {0} {1} */", inout($register) *sum, inout($register) $b, options(pure, nomem, nostack, preserves_flags)) };
                        }
                    }
                    black_box(sums);
                    black_box($one);
                }
                // SAFETY: a loop is reached through `Kernels::peaks` alone, which gives those of
                // instruction sets that the token proves.
                Peak { name: $name, macs: $macs * $sums, run: |count| unsafe { turns(count) } }
            };
        };
    }

    peak!(WORDS, "vpmaddwd, vpaddd on 256 bits", "avx2", ymm_reg, _mm256_set1_epi16, 16, 12, |acc, a, b, one| {
        _mm256_add_epi32(acc, _mm256_madd_epi16(a, b))
    });
    // The sign of one operand goes to the other, which makes the first one unsigned.
    peak!(BYTES, "vpsignb, vpmaddubsw, vpmaddwd, vpaddd on 256 bits", "avx2", ymm_reg, _mm256_set1_epi16, 32, 10, |acc, a, b, one| {
        _mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_maddubs_epi16(a, _mm256_sign_epi8(b, a)), one))
    });
    peak!(VNNI_256, "vpdpbusd on 256 bits", "avx2,avxvnni", ymm_reg, _mm256_set1_epi16, 32, 12, |acc, a, b, one| _mm256_dpbusd_avx_epi32(acc, a, b));
    peak!(VNNI_512, "vpdpbusd on 512 bits", "avx512bw,avx512vnni", zmm_reg, _mm512_set1_epi16, 64, 16, |acc, a, b, one| _mm512_dpbusd_epi32(acc, a, b));

    pub(super) const AVX2: [Peak; 2] = [WORDS, BYTES];
    pub(super) const AVX_VNNI: [Peak; 3] = [WORDS, BYTES, VNNI_256];
    pub(super) const AVX512: [Peak; 3] = [WORDS, BYTES, VNNI_512];
}
