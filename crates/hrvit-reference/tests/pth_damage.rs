//! `.pth` files cut anywhere, with bytes changed, and of random bytes: an error of one line or the
//! same weights, and never a panic.

mod small;

use std::path::Path;

use hrvit_format::{Head, Network};
use hrvit_reference::{Checkpoint, CheckpointError};
use hrvit_tests::pth::{Entry, File, zip};
use hrvit_tests::rng::Rng;

fn network() -> Network {
    small::network(Head::Segformer)
}

fn read(bytes: &[u8], network: &Network) -> Result<Checkpoint, CheckpointError> {
    let read = Checkpoint::read_bytes(Path::new("damaged.pth"), bytes, network);
    if let Err(error) = &read {
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
    }
    read
}

/// An index below `end`.
fn below(rng: &mut Rng, end: usize) -> usize {
    (rng.bits() % end as u64) as usize
}

/// Files of one tensor, of every protocol and both forms.
fn little() -> Vec<Vec<u8>> {
    let file = |protocol| {
        let mut file = File::new(protocol);
        file.push("decode_head.conv_seg.bias", &[5], &[1.0, 2.0, 3.0, 4.0, 5.0]);
        file
    };
    (2..=5).map(file).flat_map(|file| [file.zip(), file.legacy()]).collect()
}

#[test]
fn cut_at_every_byte() {
    let network = network();
    for whole in little() {
        assert!(matches!(read(&whole, &network), Err(CheckpointError::Missing { .. })), "whole, all but the bias is missing");
        for len in 0..whole.len() {
            let error = read(&whole[..len], &network).unwrap_err();
            assert!(!matches!(error, CheckpointError::Missing { .. }), "cut to {len} of {}: {error}", whole.len());
        }
    }
}

#[test]
fn every_byte_changed() {
    let network = network();
    for whole in little() {
        let mut changed = whole.clone();
        for at in 0..whole.len() {
            for flip in [0x01, 0x20, 0xff] {
                changed[at] ^= flip;
                assert!(read(&changed, &network).is_err());
                changed[at] = whole[at];
            }
        }
    }
}

#[test]
fn a_whole_network_cut_and_changed() {
    let network = network();
    let mut rng = Rng::new(7);
    let expected = Checkpoint::synthetic(&network, 1).unwrap();
    let file = File::of(&expected, 4);
    for (form, whole) in [("zip", file.zip()), ("legacy", file.legacy())] {
        for _ in 0..150 {
            let len = below(&mut rng, whole.len());
            assert!(
                matches!(
                    read(&whole[..len], &network),
                    Err(CheckpointError::Damaged { .. } | CheckpointError::UnknownFormat { .. } | CheckpointError::Empty { .. })
                ),
                "cut to {len}"
            );
        }
        for _ in 0..300 {
            let mut changed = whole.clone();
            let (at, bit) = (below(&mut rng, whole.len()), below(&mut rng, 8));
            changed[at] ^= 1 << bit;
            // A stream has no checksum: a changed value there is another weight.
            if let (Ok(found), "zip") = (read(&changed, &network), form) {
                assert!(found.iter().eq(expected.iter()), "bit {bit} of byte {at}");
            }
        }
    }
}

/// Operations of pickle with what follows them, to be shuffled.
const OPS: [&[u8]; 48] = [
    b"(",
    b")",
    b".",
    b"0",
    b"1",
    b"2",
    b"N",
    b"\x88",
    b"\x89",
    b"K\x05",
    b"M\x05\0",
    b"J\xff\xff\xff\xff",
    b"\x8a\x01\x05",
    b"\x8b\x02\0\0\0\x05\0",
    b"G\0\0\0\0\0\0\0\0",
    b"X\x05\0\0\0model",
    b"X\x07\0\0\0storage",
    b"\x8c\x010",
    b"\x8c\x03cpu",
    b"C\x01a",
    b"}",
    b"]",
    b"t",
    b"l",
    b"d",
    b"\x85",
    b"\x86",
    b"\x87",
    b"a",
    b"e",
    b"s",
    b"u",
    b"\x8f",
    b"\x90",
    b"\x91",
    b"ctorch\nFloatStorage\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch._utils\n_rebuild_parameter\n",
    b"ctorch._tensor\n_rebuild_from_type_v2\n",
    b"ccollections\nOrderedDict\n",
    b"Q",
    b"R",
    b"b",
    b"\x81",
    b"q\0",
    b"h\0",
    b"\x94",
    b"h\x01",
];

#[test]
fn random_operations_and_random_bytes() {
    let network = network();
    let mut rng = Rng::new(11);
    let file = File::new(2);
    for round in 0..3000 {
        let mut pickle = b"\x80\x02}".to_vec();
        for _ in 0..below(&mut rng, 120) {
            match round % 3 {
                0 => pickle.push(below(&mut rng, 256) as u8),
                _ => pickle.extend(OPS[below(&mut rng, OPS.len())]),
            }
        }
        pickle.push(b'.');
        let archive = zip(&[Entry::new("data.pkl", pickle.clone()), Entry::new("data/0", vec![0; 20])]);
        assert!(read(&archive, &network).is_err());
        assert!(read(&file.legacy_of(pickle), &network).is_err());
        let noise: Vec<u8> = b"PK".iter().copied().chain((0..below(&mut rng, 300)).map(|_| below(&mut rng, 256) as u8)).collect();
        assert!(read(&noise, &network).is_err());
    }
}
