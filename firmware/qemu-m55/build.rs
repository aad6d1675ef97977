//! Plans the arena for the SRAM, or for DDR where it is too large for that.

use machine_plan::{Machine, Memory, build};

fn main() {
    build(&Machine {
        name: "qemu-m55",
        arena: &[Memory { region: "SRAM", bytes: 2 << 20 }, Memory { region: "DDR", bytes: 62 << 20 }],
        model: "MODEL",
        scripts: &["link.x", "defmt.x"],
    });
}
