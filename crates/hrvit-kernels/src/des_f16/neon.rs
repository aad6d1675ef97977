//! The shortcut: views of 16 to 256 channels whose sizes are powers of two by functions of their
//! own, `neon_views`, others by those of [`tokens`](super::tokens).

use super::{DesF16, neon_views};
use crate::isa::Neon;

/// Views of any size.
mod any {
    crate::des_f16::tokens::tokens!(Neon, neon, "neon");
}

/// Computes all tokens.
pub(super) fn run(neon: Neon, args: &DesF16<'_>, hidden: &mut [f32], out: &mut [f32]) {
    // SAFETY: the token proves NEON; the entry has checked the lengths.
    unsafe {
        match (args.k, args.p) {
            (4, 4) => neon_views::tokens::<4, 1>(args, out),
            (4, 8) => neon_views::tokens::<4, 2>(args, out),
            (8, 8) => neon_views::tokens::<8, 2>(args, out),
            (8, 16) => neon_views::tokens::<8, 4>(args, out),
            (16, 16) => neon_views::tokens::<16, 4>(args, out),
            _ => any::run(neon, args, hidden, out),
        }
    }
}
