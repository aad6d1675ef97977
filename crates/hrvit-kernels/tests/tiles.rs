//! Disjoint chunks from many threads, each once.

use std::sync::atomic::{AtomicUsize, Ordering};

use hrvit_kernels::Tiles;
use hrvit_kernels::tiles::MAX_TILES;

#[test]
fn chunks_cover_the_slice_once() {
    for len in [0, 1, 5, 6, 7, 12] {
        for chunk_len in [1, 2, 6, 7, 100] {
            let mut data = vec![0u32; len];
            let tiles = Tiles::new(&mut data, chunk_len);
            assert_eq!(tiles.chunks(), len.div_ceil(chunk_len));
            for index in (0..tiles.chunks()).rev() {
                tiles.claim(index).expect("first claim").iter_mut().for_each(|x| *x += index as u32 + 1);
                assert!(tiles.claim(index).is_none(), "second claim");
            }
            assert!(tiles.claim(tiles.chunks()).is_none() && tiles.claim(usize::MAX).is_none());
            assert_eq!(data, (0..len).map(|i| (i / chunk_len) as u32 + 1).collect::<Vec<_>>());
        }
    }
}

#[test]
fn no_chunk_without_a_length() {
    let mut data = [1u8; 4];
    let tiles = Tiles::new(&mut data, 0);
    assert_eq!(tiles.chunks(), 0);
    assert!(tiles.claim(0).is_none());
}

#[test]
fn chunks_beyond_the_set_are_refused() {
    let mut data = vec![0u8; MAX_TILES + 1];
    let tiles = Tiles::new(&mut data, 1);
    assert!(tiles.claim(MAX_TILES - 1).is_some());
    assert!(tiles.claim(MAX_TILES).is_none());
}

#[test]
fn claims_outlive_the_set_but_not_the_slice() {
    let mut data = [0u8; 4];
    let (first, second) = {
        let tiles = Tiles::new(&mut data, 2);
        (tiles.claim(0).unwrap(), tiles.claim(1).unwrap())
    };
    first.fill(1);
    second.fill(2);
    assert_eq!(data, [1, 1, 2, 2]);
}

#[test]
fn threads_racing_for_every_chunk() {
    let rounds = if cfg!(miri) { 1 } else { 50 };
    for round in 0..rounds {
        let (chunks, chunk_len) = (97 + round, 13);
        let mut data = vec![0u16; chunks * chunk_len - 5];
        let won = AtomicUsize::new(0);
        let tiles = Tiles::new(&mut data, chunk_len);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for index in 0..chunks + 3 {
                        if let Some(chunk) = tiles.claim(index) {
                            chunk.iter_mut().for_each(|x| *x += index as u16 + 1);
                            won.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(won.into_inner(), chunks);
        assert!(data.iter().enumerate().all(|(i, x)| usize::from(*x) == i / chunk_len + 1));
    }
}
