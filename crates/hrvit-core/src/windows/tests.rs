use super::*;

fn size(height: u16, width: u16) -> Size {
    Size { height, width }
}

/// Starts along a side, found by walking: the next stride, or the last window that fits.
fn walked(frame: usize, window: usize, stride: usize) -> Vec<usize> {
    let (mut starts, mut at) = (Vec::new(), 0);
    while at + window < frame {
        starts.push(at);
        at += stride;
    }
    starts.push(frame - window);
    starts
}

#[test]
fn sliding_windows_are_those_found_by_walking() {
    for window in [1, 2, 5, 8] {
        for frame in window..40 {
            for stride in 1..=window {
                let (across, fixed) = (walked(frame, window, stride), size(window as u16, 3));
                let windows = SlidingWindows::new(frame, 7, fixed, (stride, 2)).unwrap();
                assert_eq!((windows.grid(), windows.size_hint()), ((across.len(), 3), (3 * across.len(), Some(3 * across.len()))));
                let expected: Vec<Rect> = across.iter().flat_map(|&y| [0, 2, 4].map(|x| Rect { y, x, height: window, width: 3 })).collect();
                assert_eq!(windows.collect::<Vec<_>>(), expected, "{frame} {window} {stride}");
            }
        }
    }
}

#[test]
fn cityscapes_frames_have_one_row_of_three_windows() {
    let windows = SlidingWindows::new(1024, 2048, size(1024, 1024), (768, 768)).unwrap();
    assert_eq!(windows.map(|rect| (rect.y, rect.x)).collect::<Vec<_>>(), [(0, 0), (0, 768), (0, 1024)]);
}

#[test]
fn cores_tile_the_frame_and_keep_their_halo() {
    for (window, halo) in [(1, 0), (2, 0), (5, 0), (5, 1), (5, 2), (8, 3), (9, 2)] {
        for height in window..32 {
            for width in [window, window + 1, 2 * window + 3] {
                let mut owners = vec![0; height * width];
                let windows = CoreWindows::new(height, width, size(window as u16, window as u16), halo).unwrap();
                let (rows, columns) = windows.grid();
                assert_eq!(windows.size_hint(), (rows * columns, Some(rows * columns)));
                let mut found = 0;
                for Window { rect, core } in windows {
                    found += 1;
                    assert!((rect.height, rect.width) == (window, window) && rect.y + window <= height && rect.x + window <= width);
                    for y in core.y..core.y + core.height {
                        for x in core.x..core.x + core.width {
                            owners[y * width + x] += 1;
                            for (at, first, frame) in [(y, rect.y, height), (x, rect.x, width)] {
                                assert!((first == 0 && at < window) || at >= first + halo);
                                assert!((first + window == frame && at >= first) || at + halo < first + window);
                            }
                        }
                    }
                }
                assert!(found == rows * columns && owners.iter().all(|&count| count == 1), "{height}x{width} {window} {halo}");
            }
        }
    }
}

#[test]
fn spans_copy_a_core_into_the_frame() {
    let (height, width, window) = (23, 31, size(8, 12));
    let mut seen = vec![0; height * width];
    for window in CoreWindows::new(height, width, window, 2).unwrap() {
        // Each element of the window's map holds where it lies in the frame.
        let Rect { y, x, height: rows, width: columns } = window.rect;
        let own: Vec<usize> = (0..rows * columns).map(|at| (y + at / columns) * width + x + at % columns).collect();
        assert_eq!(window.spans(width).count(), window.core.height);
        for (from, to) in window.spans(width) {
            seen[to].copy_from_slice(&own[from]);
        }
    }
    assert!(seen.iter().enumerate().all(|(at, &found)| at == found));
}

#[test]
fn what_has_no_windows_is_refused() {
    let fixed = size(32, 64);
    let sliding = |height, width, stride| SlidingWindows::new(height, width, fixed, stride).err();
    assert_eq!(sliding(31, 64, (1, 1)), Some(WindowError::SmallFrame { frame: 31, window: 32 }));
    assert_eq!(sliding(32, 0, (1, 1)), Some(WindowError::SmallFrame { frame: 0, window: 64 }));
    assert_eq!(sliding(99, 99, (0, 1)), Some(WindowError::Stride { stride: 0, window: 32 }));
    assert_eq!(sliding(99, 99, (32, 65)), Some(WindowError::Stride { stride: 65, window: 64 }));
    let cores = |halo| CoreWindows::new(99, 99, fixed, halo).err();
    assert_eq!(
        [cores(15), cores(16), cores(usize::MAX)],
        [None, Some(WindowError::Halo { halo: 16, window: 32 }), Some(WindowError::Halo { halo: usize::MAX, window: 32 })]
    );
    assert!(CoreWindows::new(31, 99, fixed, 0).unwrap_err().to_string().contains("31 pixels is shorter than the window's 32"));
}

#[test]
fn the_largest_frames_do_not_overflow() {
    let most = usize::MAX;
    let mut windows = SlidingWindows::new(most, most, size(1, 4096), (1, 4096)).unwrap();
    assert_eq!(windows.size_hint(), (most, None));
    windows.0.next = (most - 1, windows.grid().1 - 1);
    assert_eq!(windows.next(), Some(Rect { y: most - 1, x: most - 4096, height: 1, width: 4096 }));
    assert_eq!((windows.next(), windows.next(), windows.size_hint()), (None, None, (0, Some(0))));
    let mut cores = CoreWindows::new(most, most, size(32, 32), 15).unwrap();
    cores.0.next = (cores.grid().0 - 1, cores.grid().1 - 1);
    let last = cores.next().unwrap();
    assert_eq!((last.rect.y + 32, last.core.y + last.core.height), (most, most));
    assert!(last.core.y >= last.rect.y + 15);
    assert_eq!(cores.next(), None);
}
