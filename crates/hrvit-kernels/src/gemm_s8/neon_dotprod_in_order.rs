//! The loop of [`super::neon_dotprod`] for cores that execute in order: the same products, with
//! loads that stand half a turn or more ahead of their use.
//!
//! These cores issue a load of 64 bits together with an `sdot`, and one of 128 bits alone. Two
//! groups of 4 steps of a row are 64 bits; a vector of weights is loaded as two halves, the second
//! by way of a general register. Addresses are sums of two registers: a pointer that is written
//! back would hold up what follows.

use core::arch::naked_asm;

/// A group of 4 steps of 8 rows, `v0` to `v7`, with 8 channels, whose weights are `$w` and `$x`;
/// `$lane` is the group's number in the rows. After every row stands what is listed.
macro_rules! group {
    ($lane:literal, $w:literal, $x:literal, [$($after:expr),+]) => {
        group!(@rows $lane, $w, $x, [$($after),+], [("0" "16" "17"), ("1" "18" "19"), ("2" "20" "21"), ("3" "22" "23"), ("4" "24" "25"), ("5" "26" "27"), ("6" "28" "29"),
            ("7" "30" "31")])
    };
    (@rows $lane:literal, $w:literal, $x:literal, [$($after:expr),+], [$(($row:literal $low:literal $high:literal)),+]) => {
        concat!($(
            "sdot v", $low, ".4s, v", $w, ".16b, v", $row, ".4b[", $lane, "]\n",
            "sdot v", $high, ".4s, v", $x, ".16b, v", $row, ".4b[", $lane, "]\n",
            $after, "\n",
        )+)
    };
}

/// 8 steps: two groups, with their four vectors of weights. With four more vectors named, the
/// weights and rows of other 8 steps are loaded meanwhile, from the offset `$o` on.
macro_rules! eight_steps {
    ([$w0:literal $w1:literal $w2:literal $w3:literal]) => {
        concat!(group!("0", $w0, $w1, ["", "", "", "", "", "", "", ""]), group!("1", $w2, $w3, ["", "", "", "", "", "", "", ""]))
    };
    ([$w0:literal $w1:literal $w2:literal $w3:literal], [$n0:literal $n1:literal $n2:literal $n3:literal] from $o:literal) => {
        concat!(
            group!(
                "0",
                $w0,
                $w1,
                [
                    concat!("ldr d", $n0, ", [x8, ", $o, ", lsl #3]"),
                    concat!("ldr x16, [x10, ", $o, ", lsl #3]"),
                    concat!("ldr d", $n1, ", [x11, ", $o, ", lsl #3]"),
                    concat!("ldr x17, [x12, ", $o, ", lsl #3]"),
                    concat!("ldr d", $n2, ", [x13, ", $o, ", lsl #3]\n", "ins v", $n0, ".d[1], x16"),
                    concat!("ldr x16, [x14, ", $o, ", lsl #3]"),
                    concat!("ldr d", $n3, ", [x15, ", $o, ", lsl #3]\n", "ins v", $n1, ".d[1], x17"),
                    concat!("ldr x17, [x20, ", $o, ", lsl #3]")
                ]
            ),
            group!(
                "1",
                $w2,
                $w3,
                [
                    concat!("ldr d0, [x0, ", $o, "]\n", "ins v", $n2, ".d[1], x16"),
                    concat!("ldr d1, [x1, ", $o, "]"),
                    concat!("ldr d2, [x2, ", $o, "]\n", "ins v", $n3, ".d[1], x17"),
                    concat!("ldr d3, [x3, ", $o, "]"),
                    concat!("ldr d4, [x4, ", $o, "]"),
                    concat!("ldr d5, [x5, ", $o, "]"),
                    concat!("ldr d6, [x6, ", $o, "]"),
                    concat!("ldr d7, [x7, ", $o, "]")
                ]
            ),
        )
    };
}

/// Adds the products of 8 rows, `16 * x9` steps each, with 8 channels to `v16` to `v31`: two
/// vectors a row. `x0` to `x7` point to the rows, `x8` to the weights, and is left behind those
/// that were read. Changes `x0` to `x9`, `x16`, `x17`, the link, the flags and the vectors, no
/// more.
///
/// # Safety
/// To be called by `bl` from assembly that names these registers. The processor has `sdot`; `x9` is
/// not 0; `16 * x9` codes may be read from each row and `128 * x9` from the weights.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn sixteen_steps() {
    naked_asm!(
        ".arch_extension dotprod",
        "stp x10, x11, [sp, #-64]!",
        "stp x12, x13, [sp, #16]",
        "stp x14, x15, [sp, #32]",
        "stp x20, x21, [sp, #48]",
        // Pointers stand behind the last step, and offsets run up to 0: of bytes of a row, eight
        // times as many of the weights.
        "add x8, x8, x9, lsl #7",
        "lsl x16, x9, #4",
        "neg x9, x9, lsl #4",
        "add x0, x0, x16",
        "add x1, x1, x16",
        "add x2, x2, x16",
        "add x3, x3, x16",
        "add x4, x4, x16",
        "add x5, x5, x16",
        "add x6, x6, x16",
        "add x7, x7, x16",
        "lsl x17, x9, #3",
        "add x11, x8, #16",
        "add x13, x8, #32",
        "add x15, x8, #48",
        "ldr q8, [x8, x17]",
        "ldr d0, [x0, x9]",
        "ldr q9, [x11, x17]",
        "ldr d1, [x1, x9]",
        "ldr d2, [x2, x9]",
        "ldr d3, [x3, x9]",
        "ldr d4, [x4, x9]",
        "ldr d5, [x5, x9]",
        "ldr d6, [x6, x9]",
        "ldr d7, [x7, x9]",
        "ldr q10, [x13, x17]",
        "ldr q11, [x15, x17]",
        "add x10, x8, #8",
        "add x12, x8, #24",
        "add x14, x8, #40",
        "add x20, x8, #56",
        // Addresses of the turn's second half, and of the next turn.
        "adds x21, x9, #16",
        "add x9, x9, #8",
        "b.eq 3f",
        "2:",
        eight_steps!(["8" "9" "10" "11"], ["12" "13" "14" "15"] from "x9"),
        eight_steps!(["12" "13" "14" "15"], ["8" "9" "10" "11"] from "x21"),
        "add x9, x9, #16",
        "adds x21, x21, #16",
        "b.ne 2b",
        "3:",
        eight_steps!(["8" "9" "10" "11"], ["12" "13" "14" "15"] from "x9"),
        eight_steps!(["12" "13" "14" "15"]),
        "ldp x20, x21, [sp, #48]",
        "ldp x14, x15, [sp, #32]",
        "ldp x12, x13, [sp, #16]",
        "ldp x10, x11, [sp], #64",
        "ret",
        ".arch_extension nodotprod",
    )
}
