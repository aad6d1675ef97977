//! Which frames of a set are held out.

use std::ops::Range;

/// Fewest distinct frames of which some are held out.
pub const FEWEST: usize = 10;
/// One of this many frames is held out.
const SHARE: usize = 5;
/// Most blocks.
const MOST_BLOCKS: usize = 5;
/// Fewest frames of a block.
const SHORTEST: usize = 2;

/// Positions of the frames held out of `frames`, in the order of their names. They are a fifth in
/// up to five blocks, each in the middle of an equal stretch of the set. Neighbours in a video are
/// nearly equal: only the ends of a block have any that calibrate. None of fewer than [`FEWEST`]
/// frames; the first is never held out.
pub fn blocks(frames: usize) -> Vec<Range<usize>> {
    if frames < FEWEST {
        return Vec::new();
    }
    let held = frames / SHARE;
    let count = (held / SHORTEST).clamp(1, MOST_BLOCKS);
    let block = |at: usize| {
        let [stretch, length] = [frames, held].map(|all| (at * all / count, (at + 1) * all / count)).map(|(from, to)| (from, to - from));
        let start = stretch.0 + (stretch.1 - length.1) / 2;
        start..start + length.1
    };
    (0..count).map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_is_held_out_in_blocks_apart_from_each_other() {
        for frames in FEWEST..600 {
            let blocks = blocks(frames);
            let held: usize = blocks.iter().map(ExactSizeIterator::len).sum();
            assert_eq!(held, frames / 5, "{frames}");
            assert!(blocks.len() <= 5 && blocks.iter().all(|block| block.len() >= 2), "{frames}: {blocks:?}");
            assert!(blocks[0].start > 0 && blocks[blocks.len() - 1].end < frames, "{frames}: {blocks:?}");
            assert!(blocks.windows(2).all(|pair| pair[1].start > pair[0].end + pair[0].len()), "{frames}: {blocks:?}");
        }
    }

    #[test]
    fn nine_frames_all_calibrate() {
        assert!(blocks(9).is_empty());
        let ends = |frames| blocks(frames).into_iter().map(|block| (block.start, block.end)).collect::<Vec<_>>();
        assert_eq!(ends(10), [(4, 6)]);
        assert_eq!(ends(16), [(6, 9)]);
        assert_eq!(ends(100), [(8, 12), (28, 32), (48, 52), (68, 72), (88, 92)]);
    }
}
