//! Plans the arena for the 2 MB that the memory map sets aside.

use machine_plan::{Machine, Memory, build};

fn main() {
    build(&Machine { name: "qemu-m33", arena: &[Memory { region: "SSRAM3", bytes: 2 << 20 }], model: "PSRAM", scripts: &["link.x", "defmt.x"] });
}
