//! Plans the arena for one of the two pieces of the AXI SRAM. The label map lies in the other piece
//! if both do not fit into one. With feature `large-arena` there is one piece.

use std::env;

use machine_plan::{Machine, Memory, build_for};

fn main() {
    let pieces = &[Memory { region: "LOWER", bytes: 1136 << 10 }, Memory { region: "UPPER", bytes: 2080 << 10 }];
    let whole = &[Memory { region: "LOWER", bytes: 3440 << 10 }];
    let large = env::var_os("CARGO_FEATURE_LARGE_ARENA").is_some();
    let (arena, memory): (&[Memory], _) = if large { (whole, "memory-large.x") } else { (pieces, "memory.x") };
    build_for(&Machine { name: "stm32n6570-dk", arena, model: "FLASH", scripts: &["link.x", "defmt.x"] }, memory);
}
