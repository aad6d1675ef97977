//! State that lives between steps.

use std::io::{Error, ErrorKind, Read, Result, Write};

use hrvit_format::{BRANCHES, Size};

use crate::map::{Frame, Map};

/// The live maps of a forward pass that is being run step by step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The picture, until the stem has read it.
    pub frame: Option<Frame>,
    /// Per branch the residual stream; after a stage's norm, its output.
    pub x: [Option<Map>; BRANCHES],
    /// Per branch the fusion's output, until the patch embedding has read it.
    pub fused: [Option<Map>; BRANCHES],
    /// Classification head: result of the last branch so far.
    pub head: Option<Map>,
    /// Logits, once the head has run.
    pub logits: Option<Map>,
}

/// Start of a spilled state.
const MAGIC: [u8; 8] = *b"hrvitst1";
/// The most values of one map that is read back.
const MAX_VALUES: u64 = 1 << 32;

impl State {
    /// A state before the first step.
    pub fn new(frame: Frame) -> Self {
        Self { frame: Some(frame), ..Self::default() }
    }

    fn maps(&self) -> impl Iterator<Item = &Option<Map>> {
        self.x.iter().chain(&self.fused).chain([&self.head, &self.logits])
    }

    fn maps_mut(&mut self) -> impl Iterator<Item = &mut Option<Map>> {
        self.x.iter_mut().chain(&mut self.fused).chain([&mut self.head, &mut self.logits])
    }

    /// Bytes that [`Self::write`] writes.
    pub fn bytes(&self) -> usize {
        let maps: usize = self.maps().map(|map| 12 + map.as_ref().map_or(0, |map| 4 * map.data.len())).sum();
        MAGIC.len() + 4 + self.frame.as_ref().map_or(0, |frame| frame.rgb().len()) + maps
    }

    /// Writes everything that lives, to be read back by [`Self::read`] on any machine. The format
    /// is little-endian: the picture's height and width (u16) and bytes, then per map rows,
    /// columns, channels (u32) and values (f32). A part that does not live has size 0.
    pub fn write(&self, to: &mut impl Write) -> Result<()> {
        to.write_all(&MAGIC)?;
        let size = self.frame.as_ref().map_or(Size { height: 0, width: 0 }, Frame::size);
        to.write_all(&size.height.to_le_bytes())?;
        to.write_all(&size.width.to_le_bytes())?;
        to.write_all(self.frame.as_ref().map_or(&[], Frame::rgb))?;
        for map in self.maps() {
            let sides = map.as_ref().map_or([0; 3], |map| [map.rows, map.columns, map.channels]);
            for side in sides {
                let side = u32::try_from(side).map_err(|_| invalid(format!("a map of {sides:?} is too large to write")))?;
                to.write_all(&side.to_le_bytes())?;
            }
            let bytes: Vec<u8> = map.iter().flat_map(|map| &map.data).flat_map(|value| value.to_le_bytes()).collect();
            to.write_all(&bytes)?;
        }
        Ok(())
    }

    /// Reads what [`Self::write`] wrote.
    pub fn read(from: &mut impl Read) -> Result<Self> {
        if array::<8>(from)? != MAGIC {
            return Err(invalid("not a state of the folded graph: expected it to start with hrvitst1".into()));
        }
        let mut state = Self::default();
        let (height, width) = (u16::from_le_bytes(array(from)?), u16::from_le_bytes(array(from)?));
        if (height, width) != (0, 0) {
            let size = Size::new(height, width).map_err(|error| invalid(error.to_string()))?;
            let rgb = bytes(from, size.pixels() as u64 * 3)?;
            state.frame = Some(Frame::new(size, rgb).map_err(|error| invalid(error.to_string()))?);
        }
        for map in state.maps_mut() {
            let [rows, columns, channels] = [array(from)?, array(from)?, array(from)?].map(u32::from_le_bytes);
            let count = u64::from(rows).checked_mul(columns.into()).and_then(|tokens| tokens.checked_mul(channels.into()));
            let count = count.filter(|&count| count <= MAX_VALUES).ok_or_else(|| invalid(format!("a map of {rows}x{columns}x{channels} is too large")))?;
            if count > 0 {
                let data = bytes(from, 4 * count)?.as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)).collect();
                *map = Some(Map { rows: rows as usize, columns: columns as usize, channels: channels as usize, data });
            }
        }
        Ok(state)
    }
}

fn array<const N: usize>(from: &mut impl Read) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Exactly `count` bytes; memory grows with what is there, not with what is claimed.
fn bytes(from: &mut impl Read, count: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let found = from.take(count).read_to_end(&mut bytes)? as u64;
    if found == count { Ok(bytes) } else { Err(Error::new(ErrorKind::UnexpectedEof, format!("expected {count} bytes of a map, found {found}"))) }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let frame = Frame::new(Size { height: 32, width: 32 }, (0..3072).map(|i| i as u8).collect()).unwrap();
        let mut state = State::new(frame);
        state.x[2] = Some(Map { rows: 1, columns: 2, channels: 2, data: vec![1.0, -0.0, f32::MIN_POSITIVE, 4.5] });
        state.fused[0] = Some(Map { rows: 1, columns: 1, channels: 1, data: vec![7.0] });
        state
    }

    #[test]
    fn a_state_written_and_read_is_the_same() {
        for state in [state(), State::default()] {
            let mut bytes = Vec::new();
            state.write(&mut bytes).unwrap();
            assert_eq!(bytes.len(), state.bytes());
            assert_eq!(State::read(&mut bytes.as_slice()).unwrap(), state);
        }
    }

    #[test]
    fn a_state_cut_anywhere_is_an_error() {
        let mut bytes = Vec::new();
        state().write(&mut bytes).unwrap();
        for length in [0, 7, 9, 100, bytes.len() - 1] {
            assert!(State::read(&mut &bytes[..length]).is_err(), "cut to {length} bytes");
        }
    }
}
