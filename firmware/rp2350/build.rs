//! Plans the arena for the SRAM behind the first 64 KB.

use machine_plan::{Machine, Memory, build};

fn main() {
    build(&Machine { name: "rp2350", arena: &[Memory { region: "SRAM", bytes: 448 << 10 }], model: "MODEL", scripts: &["link.x", "defmt.x"] });
}
