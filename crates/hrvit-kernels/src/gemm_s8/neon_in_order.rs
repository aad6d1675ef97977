//! The loop of [`super::neon`] for cores that execute in order: the same products of 4 rows with 4
//! channels, 8 of them in flight, with loads that stand a phase ahead of their use. Addresses are
//! sums of two registers: a pointer that is written back would hold up what follows. The index
//! counts up to zero, so that what moves it also ends the loop.

use core::arch::naked_asm;

/// Fewest vectors of depth that [`sixteen_steps`] takes.
pub(super) const FEWEST: usize = 2;

/// 16 steps of 4 rows, `v0` to `v3`, with two channels, whose weights are `$w` and `$x`; the sums
/// of neighbours are given to `$into`: `sadalp` adds them to the accumulators, `saddlp` sets these.
/// After every `smull`, and after every instruction that makes sums, stands what is listed.
macro_rules! two_channels {
    ($into:literal, $w:literal, $x:literal, [$($sum:literal),+], [$($early:literal),+], [$($late:literal),+]) => {
        two_channels!(@products $into, [($w "4" "0"), ($w "5" "1"), ($w "6" "2"), ($w "7" "3"), ($x "12" "0"), ($x "13" "1"), ($x "14" "2"), ($x "15" "3")],
            [$($sum),+], [$($early),+], [$($late),+])
    };
    (@products $into:literal, [$(($w:literal $product:literal $row:literal)),+], [$($sum:literal),+], [$($early:literal),+], [$($late:literal),+]) => {
        concat!(
            $("smull v", $product, ".8h, v", $w, ".8b, v", $row, ".8b\n", $early, "\n",)+
            $("smlal2 v", $product, ".8h, v", $w, ".16b, v", $row, ".16b\n",)+
            $($into, " v", $sum, ".4s, v", $product, ".8h\n", $late, "\n",)+
        )
    };
}

/// 16 steps with four channels. `more` loads the rows and the first two channels' weights of the
/// next 16.
macro_rules! four_channels {
    ($into:literal, more) => {
        concat!(
            two_channels!(
                $into,
                "8",
                "9",
                ["16", "20", "24", "28", "17", "21", "25", "29"],
                ["", "ldr q10, [x6, x8]", "", "", "", "ldr q11, [x7, x8]\nadds x8, x8, #16", "", ""],
                ["", "ldr q8, [x4, x8]", "", "", "", "ldr q9, [x5, x8]", "", ""]
            ),
            two_channels!(
                $into,
                "10",
                "11",
                ["18", "22", "26", "30", "19", "23", "27", "31"],
                ["", "", "", "", "", "", "", ""],
                ["ldr q0, [x0, x8]", "", "ldr q1, [x1, x8]", "", "ldr q2, [x2, x8]", "", "ldr q3, [x3, x8]", ""]
            ),
        )
    };
    ($into:literal) => {
        concat!(
            two_channels!(
                $into,
                "8",
                "9",
                ["16", "20", "24", "28", "17", "21", "25", "29"],
                ["", "ldr q10, [x6, x8]", "", "", "", "ldr q11, [x7, x8]", "", ""],
                ["", "", "", "", "", "", "", ""]
            ),
            two_channels!(
                $into,
                "10",
                "11",
                ["18", "22", "26", "30", "19", "23", "27", "31"],
                ["", "", "", "", "", "", "", ""],
                ["", "", "", "", "", "", "", ""]
            ),
        )
    };
}

/// Sets `v16` to `v31` to the products of 4 rows with 4 channels: for each row a vector for each
/// channel, to be added up. `x0` to `x3` point to the last 16 steps of the rows, `x4` to those of
/// the first channel's weights, which the others follow `x5` bytes apart; `x8`, a negative multiple
/// of 16, leads from there to the first steps. Changes `x5` to `x8`, the link, the flags and the
/// vectors, no more.
///
/// # Safety
/// To be called by `bl` from assembly that names these registers. `x8` is `-16 * (FEWEST - 1)` or
/// less, and `16 - x8` codes may be read from `x8` on behind each of the eight places.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn sixteen_steps() {
    naked_asm!(
        "ldr q0, [x0, x8]",
        "ldr q8, [x4, x8]",
        "add x6, x4, x5, lsl #1",
        "add x7, x6, x5",
        "add x5, x4, x5",
        "ldr q1, [x1, x8]",
        "ldr q2, [x2, x8]",
        "ldr q3, [x3, x8]",
        "ldr q9, [x5, x8]",
        four_channels!("saddlp", more),
        "b.eq 3f",
        // An odd number of others begins with the second of a turn.
        "tbnz x8, #4, 1f",
        "2:",
        four_channels!("sadalp", more),
        "1:",
        four_channels!("sadalp", more),
        "b.ne 2b",
        "3:",
        four_channels!("sadalp"),
        "ret",
    )
}
