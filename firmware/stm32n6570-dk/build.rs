//! Plans the arena for the two pieces of the AXI SRAM: each holds one, the label map lies in the other where both do not fit.

use machine_plan::{Machine, Memory, build};

fn main() {
    let arena = &[Memory { region: "LOWER", bytes: 1136 << 10 }, Memory { region: "UPPER", bytes: 2080 << 10 }];
    build(&Machine { name: "stm32n6570-dk", arena, model: "FLASH", scripts: &["link.x", "defmt.x"] });
}
