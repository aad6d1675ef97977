//! A log as it comes over a serial port: until the line that says that the program has ended.

use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hrvit_log::End;
use serial2::SerialPort;

use crate::profile::decode;

/// Bits per second of every board's port.
const BAUD: u32 = 115_200;
/// So long without a byte, and what has come is looked at.
const PAUSE: Duration = Duration::from_millis(200);

/// Opens `port`, which is emptied of what an earlier program left, and asks for the board to be
/// reset.
///
/// # Errors
/// If it cannot be opened or set up.
pub fn open(port: &Path) -> Result<SerialPort> {
    let mut opened =
        SerialPort::open(port, BAUD).with_context(|| format!("opening {} (is the board plugged in, and may you use the port?)", port.display()))?;
    opened.set_read_timeout(PAUSE).with_context(|| format!("setting {} up", port.display()))?;
    opened.discard_input_buffer().with_context(|| format!("emptying {}", port.display()))?;
    eprintln!("listening on {} at {BAUD} baud: reset the board", port.display());
    Ok(opened)
}

/// Reads from `port` what the program `elf` logs, up to its end; at most for `patience`.
///
/// # Errors
/// If the port cannot be opened or fails, or the program does not end in time.
pub fn record(port: &Path, elf: &[u8], patience: Duration) -> Result<Vec<u8>> {
    until_end(&mut open(port)?, elf, patience).with_context(|| format!("reading the log from {}", port.display()))
}

/// Reads until the log in `elf`'s strings has its last line.
fn until_end(port: &mut impl Read, elf: &[u8], patience: Duration) -> Result<Vec<u8>> {
    let (start, mut bytes, mut looked_at) = (Instant::now(), Vec::new(), 0);
    let mut chunk = [0; 4096];
    loop {
        match port.read(&mut chunk) {
            Ok(count) if count > 0 => bytes.extend_from_slice(&chunk[..count]),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error.into()),
        }
        // Frames end in a zero: only behind one can the last line have come.
        if bytes.len() > looked_at && bytes.last() == Some(&0) {
            looked_at = bytes.len();
            if decode::decode(elf, &bytes)?.lines.iter().any(|line| line.parse::<End>().is_ok()) {
                return Ok(bytes);
            }
        }
        let waited = start.elapsed().as_secs();
        ensure!(
            start.elapsed() < patience,
            "the program did not say in {waited} s that it has ended; {} bytes came. Was it reset, and is it the program of --elf?",
            bytes.len()
        );
    }
}
