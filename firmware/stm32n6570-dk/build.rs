//! Plans the arena for AXISRAM1 and 2.

use machine_plan::{Machine, Memory, build};

fn main() {
    build(&Machine { name: "stm32n6570-dk", arena: &[Memory { region: "AXISRAM", bytes: 1136 << 10 }], model: "FLASH", scripts: &["link.x", "defmt.x"] });
}
