//! One mutable slice shared by workers as disjoint chunks.

use core::marker::PhantomData;
use core::slice;
use core::sync::atomic::{AtomicU32, Ordering};

/// Words of the set of claimed chunks.
const WORDS: usize = 32;

/// The most chunks that can be claimed.
pub const MAX_TILES: usize = WORDS * 32;

/// A mutable slice cut into contiguous chunks of `chunk_len` elements (the last may be shorter),
/// each of which one worker may claim once. The chunks are disjoint and live as long as the slice,
/// so that workers write them at the same time without a lock.
///
/// ```
/// let mut map = [0u8; 10];
/// let tiles = hrvit_kernels::Tiles::new(&mut map, 4);
/// std::thread::scope(|scope| {
///     for index in 0..3 {
///         let tiles = &tiles;
///         scope.spawn(move || tiles.claim(index).unwrap().fill(index as u8 + 1));
///     }
/// });
/// assert!(tiles.claim(0).is_none());
/// assert_eq!(map, [1, 1, 1, 1, 2, 2, 2, 2, 3, 3]);
/// ```
#[derive(Debug)]
pub struct Tiles<'a, T> {
    start: *mut T,
    len: usize,
    chunk_len: usize,
    claimed: [AtomicU32; WORDS],
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: a shared `Tiles` only ever hands out `&mut [T]` of disjoint chunks, each at most once
// (`claim`), as `&mut [T]` split among threads would be; that is allowed where `T: Send`. No `&T`
// is reachable from two threads, so `T: Sync` is not needed.
unsafe impl<T: Send> Sync for Tiles<'_, T> {}

// SAFETY: `Tiles` stands for the `&'a mut [T]` that it was made from, which is `Send` where
// `T: Send`.
unsafe impl<T: Send> Send for Tiles<'_, T> {}

impl<'a, T> Tiles<'a, T> {
    /// Cuts `slice` into chunks of `chunk_len` elements. With `chunk_len = 0` there is no chunk;
    /// chunks from [`MAX_TILES`] on can never be claimed.
    pub fn new(slice: &'a mut [T], chunk_len: usize) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), chunk_len, claimed: [const { AtomicU32::new(0) }; WORDS], slice: PhantomData }
    }

    /// Number of chunks that can be claimed.
    pub fn chunks(&self) -> usize {
        if self.chunk_len == 0 { 0 } else { self.len.div_ceil(self.chunk_len).min(MAX_TILES) }
    }

    /// Chunk `index`, to the first who asks; `None` ever after and beyond the end.
    pub fn claim(&self, index: usize) -> Option<&'a mut [T]> {
        if index >= self.chunks() {
            return None;
        }
        let bit = 1u32 << (index % 32);
        // Nobody else reads or writes the chunk, before or after: only the bit itself is contended.
        let before = self.claimed.get(index / 32)?.fetch_or(bit, Ordering::Relaxed);
        if before & bit != 0 {
            return None;
        }
        let first = index * self.chunk_len;
        let len = self.chunk_len.min(self.len - first);
        // SAFETY: `index < chunks()` gives `first < self.len`, and `first + len <= self.len`, so
        // the range lies inside the slice that `new` borrowed exclusively for `'a`. Chunks of
        // different indices do not overlap, and `fetch_or` lets exactly one caller pass for each
        // index, so that this is the only reference to its elements for the rest of `'a` (the
        // borrow that `slice` records).
        Some(unsafe { slice::from_raw_parts_mut(self.start.add(first), len) })
    }
}
