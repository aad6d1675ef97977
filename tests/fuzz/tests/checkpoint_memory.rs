//! Memory that reading a checkpoint takes, counted by the allocator. One test, in a program of its
//! own: the count is the whole program's.

use hrvit_fuzz::CheckpointFile;
use hrvit_tests::rng::Rng;
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Bytes that a description may always take.
const LEAST: usize = 1 << 20;
/// Bytes that it may take for each tensor of the network, however small the tensor is.
const OF_A_TENSOR: usize = 8 << 10;

#[test]
fn a_file_takes_no_more_than_twice_itself_what_the_network_allows_and_one_mib() {
    let tensors = CheckpointFile::tensor_bytes().max(OF_A_TENSOR * CheckpointFile::tensors());
    let mut rng = Rng::new(1);
    let (mut read, mut largest) = (0, 0);
    for at in 0..4000 {
        let len = if at % 8 == 0 { 20_000 } else { 400 };
        let data: Vec<u8> = (0..rng.int(1, len)).map(|_| rng.bits() as u8).collect();
        let file = CheckpointFile::new(&data);
        ALLOCATOR.reset_peak_usage();
        let before = ALLOCATOR.current_usage();
        read += usize::from(file.read().is_ok());
        let took = ALLOCATOR.peak_usage() - before;
        // A vector that grows is in memory beside what it grows into.
        let limit = 2 * (file.bytes.len() + tensors + LEAST);
        assert!(took <= limit, "input {at} takes {took} bytes for a file of {}; expected at most {limit}", file.bytes.len());
        largest = largest.max(took.saturating_sub(2 * file.bytes.len()));
    }
    assert!(read > 400, "{read} of 4000 files are read");
    assert!(largest > 1 << 10, "at most {largest} bytes beside files: none of them asks for memory");
    println!("{read} read, at most {largest} bytes beside files");
}
