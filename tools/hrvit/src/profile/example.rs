//! A log for tests.

use hrvit_log::{Log, LogError};

/// A profile of two steps with a line that is none of the protocol.
pub const PROFILE: &str = "\
hrvit run: machine=qemu-m7 unit=instructions clock_hz=0 network=nano size=192x256 steps=2 frames=2 arena=216960 weights=mapped probe=9
hello
hrvit step: id=0 kind=Stem name=\"stem\" ticks=3000 macs=6000 crc=0000beef
hrvit step: id=1 kind=MixCfn name=\"module 0 branch 0 block 0 ffn\" ticks=1000 macs=500 crc=12345678
hrvit total: ticks=4100 macs=6500 stack=0 labels_crc=deadbeef";

/// Reads [`PROFILE`] after replacing text in it.
pub fn edited(from: &str, to: &str) -> Result<Log, LogError> {
    assert!(PROFILE.contains(from), "{from:?} is to be replaced");
    Log::parse(PROFILE.replace(from, to).lines())
}
