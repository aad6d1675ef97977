//! Kinds of files that are no checkpoints.

/// Remedy for a file of no known kind.
const UNKNOWN: &str = "neither a .pth file of torch.save nor a .safetensors file; load it in PyTorch and save its state_dict() with torch.save";

/// Kind of a file that starts with `head`, and what to do.
pub(super) fn of(head: &[u8]) -> &'static str {
    known(head).unwrap_or(UNKNOWN)
}

/// The same, if it is something that is often passed by mistake.
pub(super) fn known(head: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    let starts = |with: &str| text.starts_with(with);
    Some(match head {
        _ if starts("version https://git-lfs") => "a Git LFS pointer, not the weights that it stands for; fetch them with `git lfs pull`",
        _ if starts("<!doctype") || starts("<html") || starts("<head") || starts("<?xml") => {
            "a web page, not a checkpoint; download the file itself (on a repository's page: the raw file)"
        }
        _ if starts("{") || starts("[") => "a JSON text, not a checkpoint; expected the weights that it may belong to",
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] | [b'B', b'Z', b'h', ..] | [0xfd, b'7', b'z', b'X', ..] => "a compressed file; decompress it first",
        [0x89, b'H', b'D', b'F', ..] => "an HDF5 file (Keras); expected PyTorch's weights, a state_dict() saved with torch.save",
        [0x08, ..] if text.contains("onnx") || text.contains("pytorch") => {
            "an ONNX model; expected the state_dict() that it was exported from, saved with torch.save"
        }
        [0x80, 2..=5, ..] => "a pickle that is none of torch.save; load it in Python and save the state_dict() with torch.save",
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => "a NumPy array; expected a state_dict() saved with torch.save, or a .safetensors file",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_pass_by_mistake_is_named() {
        let cases: [(&[u8], &str); 9] = [
            (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
            (b"\n <!DOCTYPE html><html>", "web page"),
            (b"\xef\xbb\xbf<html>", "web page"),
            (b"{\"model_type\": \"hrvit\"}", "JSON"),
            (b"\x1f\x8b\x08\0", "decompress"),
            (b"\x89HDF\r\n", "HDF5"),
            (b"\x08\x07\x12\x07pytorch", "ONNX"),
            (b"\x80\x04\x95\x0b\0\0\0\0\0\0\0}", "pickle"),
            (b"\0\0\0\0", "neither"),
        ];
        for (head, expected) in cases {
            assert!(of(head).contains(expected), "{}", of(head));
        }
    }
}
