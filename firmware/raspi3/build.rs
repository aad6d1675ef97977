//! Plans the arena; RAM is plentiful. An embedded image lies behind the program, so that one file
//! holds both.

use machine_plan::{Machine, Memory, build};

fn main() {
    build(&Machine { name: "raspi3", arena: &[Memory { region: "ARENA", bytes: 128 << 20 }], model: "RAM", scripts: &["memory.x", "defmt.x"] });
}
