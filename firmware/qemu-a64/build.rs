//! Plans the arena; RAM is plentiful.

use machine_plan::{Machine, Memory, build};

fn main() {
    build(&Machine { name: "qemu-a64", arena: &[Memory { region: "ARENA", bytes: 126 << 20 }], model: "MODEL", scripts: &["memory.x", "defmt.x"] });
}
