//! A defmt stream to lines of text, with the strings that only the ELF has.

use anyhow::{Context, Result, bail, ensure};
use defmt_decoder::{DecodeError, Table};

/// The longest encoded message that is decoded, in bytes.
const LONGEST: usize = 4096;
/// Stack for decoding one, whose bytes may nest thousands of messages.
const STACK: usize = 64 << 20;

/// A decoded stream.
#[derive(Debug)]
pub struct Decoded {
    /// The messages, one a line.
    pub lines: Vec<String>,
    /// Frames that could not be understood; what they said is lost.
    pub malformed: usize,
    /// Whether the stream ends inside of a frame.
    pub truncated: bool,
}

/// Strings that a program can log.
pub struct Strings(Table);

impl Strings {
    /// Of the program `elf`.
    ///
    /// # Errors
    /// If it is no program with defmt's strings.
    pub fn of(elf: &[u8]) -> Result<Self> {
        ensure!(elf.starts_with(b"\x7fELF"), "not an ELF file");
        let table = Table::parse(elf).map_err(|error| error.context("reading defmt's strings"))?;
        table.map(Self).context("the ELF has no section .defmt: was it linked with defmt.x?")
    }

    /// The text of one frame of the stream, its zero included; `None` if it is damaged.
    #[must_use]
    pub fn message(&self, frame: &[u8]) -> Option<String> {
        if frame.len() > LONGEST {
            return None;
        }
        let decode = || {
            let mut decoder = self.0.new_stream_decoder();
            decoder.received(frame);
            decoder.decode().ok().map(|frame| frame.display_message().to_string())
        };
        std::thread::scope(|scope| std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, decode).ok()?.join().ok()?)
    }
}

/// Decodes `stream`, which the program `elf` wrote.
///
/// # Errors
/// If `elf` is no program with defmt's strings, or the stream is damaged and cannot be resumed.
pub fn decode(elf: &[u8], stream: &[u8]) -> Result<Decoded> {
    let Strings(table) = Strings::of(elf)?;
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || messages(&table, stream)).context("starting a thread")?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The messages of `stream`. Nested parts of a message take stack, so its length is bounded.
fn messages(table: &Table, stream: &[u8]) -> Result<Decoded> {
    let resumes = table.encoding().can_recover();
    let mut decoder = table.new_stream_decoder();
    // With framing every frame ends in a zero, and no frame contains one.
    let mut decoded = Decoded { lines: Vec::new(), malformed: 0, truncated: resumes && stream.last().is_some_and(|&byte| byte != 0) };
    let pieces: Vec<&[u8]> = if resumes { stream.split_inclusive(|&byte| byte == 0).collect() } else { stream.chunks(LONGEST / 2).collect() };
    // Bytes of which no message has come yet.
    let mut pending = 0;
    for piece in pieces {
        if resumes && piece.len() > LONGEST {
            decoded.malformed += 1;
            continue;
        }
        decoder.received(piece);
        pending += piece.len();
        loop {
            match decoder.decode() {
                Ok(frame) => decoded.lines.extend(frame.display_message().to_string().lines().map(str::to_owned)),
                Err(DecodeError::UnexpectedEof) => break,
                Err(DecodeError::Malformed) if resumes => decoded.malformed += 1,
                Err(DecodeError::Malformed) => bail!("the stream is damaged after {} messages, or another program wrote it", decoded.lines.len()),
            }
            pending = 0;
        }
        ensure!(resumes || pending <= LONGEST, "the stream has a message of more than {LONGEST} bytes: it is damaged, or another program wrote it");
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_elf_is_refused() {
        assert!(decode(b"hello", b"").unwrap_err().to_string().contains("ELF"));
    }
}
