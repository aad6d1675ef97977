//! Answer of a host to a device that wants a row of a frame ([`crate::Want`]): a byte that says
//! what follows, the row, a checksum.

/// A row follows: its bytes, then [`check`] of it, four bytes, the lowest first.
pub const ROW: u8 = b'R';
/// There are no more frames.
pub const NO_MORE: u8 = b'E';
/// The last line of the log has come. Emulated machines, whose port vanishes with them, end after
/// that.
pub const HEARD: u8 = b'H';

/// CRC-32 (IEEE 802.3) over the numbers of frame and row (each two bytes, the lower first) and the
/// row. An answer to an earlier question does not pass for this one's.
#[must_use]
pub fn check(frame: u16, row: u16, pixels: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    [&frame.to_le_bytes()[..], &row.to_le_bytes(), pixels].into_iter().for_each(|bytes| hasher.update(bytes));
    hasher.finalize()
}

/// The answer with `pixels` as that row.
#[cfg(feature = "std")]
#[must_use]
pub fn row(frame: u16, row: u16, pixels: &[u8]) -> Vec<u8> {
    [&[ROW], pixels, &check(frame, row, pixels).to_le_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn the_check_value_of_the_polynomial() {
        // "123456789" has the CRC cbf43926; its first four bytes stand for the numbers.
        assert_eq!(check(u16::from_le_bytes(*b"12"), u16::from_le_bytes(*b"34"), b"56789"), 0xcbf4_3926);
    }
}
