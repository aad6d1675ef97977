//! Plans the arena for the AXI SRAM.

use machine_plan::{Machine, Memory, build};

fn main() {
    build(&Machine { name: "stm32h747i-disco", arena: &[Memory { region: "AXISRAM", bytes: 512 << 10 }], model: "FLASH", scripts: &["link.x", "defmt.x"] });
}
