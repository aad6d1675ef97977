//! An image's record of its origin: written when it is made, read where a checkpoint is held
//! against it.
//!
//! `hrvit VERSION; NAME OF THE CHECKPOINT, CRC32 OF ITS FILE; WHAT CALIBRATED; ...`

use std::path::Path;

use anyhow::{Context, Result};
use hrvit_format::crc32;

/// Stands before the checksum, eight hexadecimal digits.
const CRC: &str = ", CRC32 ";

/// The text for an image made from the checkpoint `weights`, whose file holds `bytes`, calibrated
/// by what `calibrated` says.
pub fn text(weights: &Path, bytes: &[u8], calibrated: &str) -> String {
    let name = weights.file_name().unwrap_or_default().to_string_lossy();
    format!("hrvit {}; {name}{CRC}{:08x}; {calibrated}", env!("CARGO_PKG_VERSION"), crc32(bytes))
}

/// The checksum of the checkpoint that an image with this provenance was made from; none where it
/// was not made by `hrvit quantize`.
pub fn weights_crc(provenance: &str) -> Option<u32> {
    // The name before it may hold anything, what follows holds no checksum.
    let (_, rest) = provenance.rsplit_once(CRC)?;
    let digits = rest.get(..8).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    (rest.len() == 8 || rest[8..].starts_with(';')).then(|| u32::from_str_radix(digits, 16).ok())?
}

/// The warning if the checkpoint `weights` is not the one that an image with this provenance was
/// made from. A source that is no file, a pipe say, can be read only once and is not compared.
///
/// # Errors
/// If the file cannot be read.
pub fn doubt(provenance: &str, weights: &Path) -> Result<Option<String>> {
    let (Some(made), true) = (weights_crc(provenance), weights.is_file()) else { return Ok(None) };
    let given = crc32(&std::fs::read(weights).with_context(|| format!("reading checkpoint {}", weights.display()))?);
    Ok((given != made).then(|| {
        format!(
            "{} is not the checkpoint that the image was made from (CRC32 {given:08x}, the image says {made:08x}: {provenance}): \
             every difference between them counts as drift; give the checkpoint that was quantised",
            weights.display()
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_that_is_written_is_read() {
        for name in ["a.pth", "odd, CRC32 00000000; name.pth", "ünï, CRC32 .pth"] {
            let text = text(&Path::new("/models").join(name), b"weights", "13 calibration frames, 3 held out; without smoothing");
            assert!(text.contains(name) && text.ends_with("; without smoothing"), "{text}");
            assert_eq!(weights_crc(&text), Some(crc32(b"weights")), "{text}");
        }
    }

    #[test]
    fn other_texts_have_none() {
        for text in
            ["", "made elsewhere", "x, CRC32 ", "x, CRC32 123", "x, CRC32 1234567g; 3", "x, CRC32 +1234567; 3", "x, CRC32 123456789; 3", "x, CRC32 1234567é"]
        {
            assert_eq!(weights_crc(text), None, "{text}");
        }
        assert_eq!(weights_crc("x, CRC32 0000002a"), Some(42));
    }

    #[test]
    fn another_checkpoint_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let weights = folder.path().join("a.pth");
        std::fs::write(&weights, "weights").unwrap();
        let made = text(&weights, b"weights", "16 calibration frames");
        assert_eq!(doubt(&made, &weights).unwrap(), None);
        std::fs::write(&weights, "other weights").unwrap();
        let said = doubt(&made, &weights).unwrap().unwrap();
        assert!(said.contains("a.pth is not the checkpoint") && said.contains(&format!("{:08x}", crc32(b"weights"))), "{said}");
        assert_eq!(doubt("made elsewhere", &weights).unwrap(), None);
        assert_eq!(doubt(&made, folder.path()).unwrap(), None, "no file");
    }
}
