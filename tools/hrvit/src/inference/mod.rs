//! How a frame of any size is put through a network of one size: resized, in sliding windows, or in windows with a halo as a device does it; mirrored too.
//!
//! | module | what |
//! |---|---|
//! | [`args`] | the options `--slide`, `--stride`, `--halo`, `--flip` |
//! | [`mosaic`] | the mean of overlapping windows' logits, row by row of the frame |

pub mod args;
pub mod mosaic;

use std::borrow::Cow;

use anyhow::{Context, Result, ensure};
use hrvit_core::windows::{CoreWindows, Rect, SlidingWindows, Window};
use hrvit_format::Size;
use image::{RgbImage, imageops};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::frames;
use crate::labels::LabelMap;
use crate::logits::Logits;
use crate::segmenter::{Segmented, Segmenter, Wanted};
use mosaic::{Mosaic, Piece};

/// What a network sees of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum Framing {
    /// All of it, resized to the network's size.
    #[default]
    Resized,
    /// Windows of the network's size; where they overlap their logits' mean decides.
    Slide {
        /// Rows and columns from one window to the next.
        stride: (usize, usize),
    },
    /// Windows of the network's size; of each the labels of its core are kept.
    Halo {
        /// Pixels between a core and its window's border.
        halo: usize,
    },
}

/// How frames are put through a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inference {
    /// What the network sees.
    #[serde(flatten)]
    pub framing: Framing,
    /// Whether the mirrored frame's logits, mirrored back, count as much as the frame's.
    pub flip: bool,
}

/// What one network says of one labelled frame.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// Class of every pixel, at the labels' size.
    pub labels: LabelMap,
    /// By how much the largest logit of every pixel exceeds the second largest, where that was wanted.
    pub margins: Option<Vec<f32>>,
    /// The logits that two networks are compared by: the frame's, or every window's; none with a halo.
    pub logits: Vec<Logits>,
}

impl Inference {
    /// Whether frames are cut into windows.
    pub fn has_windows(&self) -> bool {
        self.framing != Framing::Resized
    }

    /// In words, after a number of frames, for a network of `size`.
    pub fn words(&self, size: Size) -> String {
        let framing = match self.framing {
            Framing::Resized => format!("at {size}"),
            Framing::Slide { stride: (rows, columns) } => format!("in windows of {size} every {rows}x{columns} pixels"),
            Framing::Halo { halo } => format!("in windows of {size} with a halo of {halo} pixels"),
        };
        if self.flip { format!("{framing}, mirrored too") } else { framing }
    }

    /// The frame as its windows are cut from it: resized, or as it is.
    ///
    /// # Errors
    /// If a resized frame has no pixels.
    pub fn input<'f>(&self, frame: &'f RgbImage, size: Size) -> Result<Cow<'f, RgbImage>> {
        match self.framing {
            Framing::Resized => Ok(Cow::Owned(frames::resize(frame, size)?)),
            Framing::Slide { .. } | Framing::Halo { .. } => Ok(Cow::Borrowed(frame)),
        }
    }

    /// Checks that a frame is no smaller than a window.
    ///
    /// # Errors
    /// If it is.
    pub fn check(&self, frame: &RgbImage, size: Size) -> Result<()> {
        let fits = frame.height() >= size.height.into() && frame.width() >= size.width.into();
        ensure!(!self.has_windows() || fits, "{}: the frame is smaller than a window", too_small(frame, size));
        Ok(())
    }

    /// One input of the network from a frame: all of it, resized, or the window in its middle.
    ///
    /// # Errors
    /// If the frame has no pixels, or is smaller than the window.
    pub fn sample(&self, frame: &RgbImage, size: Size) -> Result<RgbImage> {
        if !self.has_windows() {
            return frames::resize(frame, size);
        }
        let middle = |frame: u32, window: u16| frame.checked_sub(u32::from(window)).map(|rest| rest as usize / 2);
        let (y, x) = middle(frame.height(), size.height).zip(middle(frame.width(), size.width)).with_context(|| too_small(frame, size))?;
        Ok(crop(frame, Rect { y, x, height: size.height.into(), width: size.width.into() }))
    }

    /// Labels of an [`input`](Self::input) and what else is wanted: of a resized frame at the network's size, else at the frame's.
    ///
    /// # Errors
    /// If this is a classifier, the frame is smaller than a window, or something is wanted that windows do not give.
    pub fn segment(&self, segmenter: &dyn Segmenter, input: &RgbImage, wanted: Wanted) -> Result<Segmented> {
        if *self == Self::default() {
            return segmenter.segment(input, wanted);
        }
        ensure!(wanted.margins.is_none(), "margins are the engine's, of one forward pass: leave out --slide, --halo and --flip");
        if let Framing::Halo { halo } = self.framing {
            ensure!(!wanted.logits, "windows with a halo give labels alone: leave out --logits");
            return Ok(Segmented { labels: core_labels(segmenter, input, halo)?, logits: None, margins: None });
        }
        let mosaic = self.mosaic(segmenter, input)?;
        let logits = match self.framing {
            _ if !wanted.logits => None,
            Framing::Resized => Some(mean(&mosaic.pieces())?),
            _ => Some(mosaic.mean()),
        };
        Ok(Segmented { labels: mosaic.labels(), logits, margins: None })
    }

    /// Logits of an [`input`](Self::input), the mean with its mirror image where that is asked for. Not of windows.
    ///
    /// # Errors
    /// If frames are cut into windows, or as [`Segmenter::logits`].
    pub fn logits(&self, segmenter: &dyn Segmenter, input: &RgbImage) -> Result<Logits> {
        ensure!(!self.has_windows(), "windows are for segmentors: leave out --slide and --halo");
        let logits = segmenter.logits(input)?;
        if self.flip { mean(&[logits, segmenter.logits(&imageops::flip_horizontal(input))?.mirrored()]) } else { Ok(logits) }
    }

    /// Labels of an [`input`](Self::input) at the size of its labels, `height` x `width`: logits of a resized frame are resized to it, windows need a frame of that size.
    ///
    /// # Errors
    /// If the sizes do not fit each other, or as [`Self::segment`].
    pub fn predict(&self, segmenter: &dyn Segmenter, input: &RgbImage, (height, width): (usize, usize), margins: bool) -> Result<Prediction> {
        if !self.has_windows() {
            let logits = self.logits(segmenter, input)?;
            let (labels, margins) = if margins {
                let (labels, margins) = logits.labels_and_margins_at(height, width);
                (labels, Some(margins))
            } else {
                (logits.labels_at(height, width), None)
            };
            return Ok(Prediction { labels, margins, logits: vec![logits] });
        }
        let own = (input.height() as usize, input.width() as usize);
        ensure!(own == (height, width), "frame of {}x{}, labels of {height}x{width}: windows need labels of the frame's size", own.0, own.1);
        if let Framing::Halo { halo } = self.framing {
            ensure!(!margins, "windows with a halo have no margins");
            return Ok(Prediction { labels: core_labels(segmenter, input, halo)?, margins: None, logits: Vec::new() });
        }
        let mosaic = self.mosaic(segmenter, input)?;
        Ok(Prediction { labels: mosaic.labels(), margins: margins.then(|| mosaic.margins()), logits: mosaic.pieces() })
    }

    /// How many frames of `frames` to begin at a time: as many as there are threads where their windows are shared out too. A thread that waits for windows would
    /// otherwise begin one more frame.
    pub fn at_once(&self, frames: usize) -> usize {
        if self.has_windows() { rayon::current_num_threads() } else { frames }
    }

    /// `count` of every frame of a set, in order.
    ///
    /// # Errors
    /// The first that `count` says.
    pub fn over<T: Sync, C: Send>(&self, set: &[T], count: impl Fn(&T) -> Result<C> + Sync) -> Result<Vec<C>> {
        let at_once = self.at_once(set.len());
        let mut counts = Vec::with_capacity(set.len());
        for frames in set.chunks(at_once.max(1)) {
            counts.extend(frames.par_iter().map(&count).collect::<Result<Vec<C>>>()?);
        }
        Ok(counts)
    }

    /// The logits of all windows, made in parallel.
    fn mosaic(&self, segmenter: &dyn Segmenter, input: &RgbImage) -> Result<Mosaic> {
        let (size, height, width) = (segmenter.size(), input.height() as usize, input.width() as usize);
        let stride = match self.framing {
            Framing::Slide { stride } => stride,
            _ => (size.height.into(), size.width.into()),
        };
        let rects: Vec<Rect> = SlidingWindows::new(height, width, size, stride).with_context(|| too_small(input, size))?.collect();
        let mirrored = self.flip.then(|| imageops::flip_horizontal(input));
        let views: Vec<(&RgbImage, bool)> = std::iter::once((input, false)).chain(mirrored.as_ref().map(|mirrored| (mirrored, true))).collect();
        let jobs: Vec<_> = views.iter().flat_map(|&(view, back)| rects.iter().map(move |&rect| (view, back, rect))).collect();
        let run = |&(view, back, rect): &(&RgbImage, bool, Rect)| {
            let (logits, unit) = segmenter.countable(&crop(view, rect))?;
            let (x, logits) = if back { (width - rect.x - rect.width, logits.mirrored()) } else { (rect.x, logits) };
            Ok((Piece { y: rect.y, x, logits }, unit))
        };
        let made: Vec<(Piece, f32)> = jobs.par_iter().map(run).collect::<Result<_>>()?;
        let unit = made.first().context("a frame has a window")?.1;
        let mut pieces: Vec<Piece> = made.into_iter().map(|(piece, _)| piece).collect();
        let behind = pieces.split_off(rects.len());
        let views = if self.flip { vec![pieces, behind] } else { vec![pieces] };
        Mosaic::new((height, width), unit, views)
    }
}

fn too_small(frame: &RgbImage, size: Size) -> String {
    format!("windows of {size} in a frame of {}x{}", frame.height(), frame.width())
}

/// The pixels of a rectangle inside of the frame.
fn crop(frame: &RgbImage, rect: Rect) -> RgbImage {
    let Rect { y, x, height, width } = rect;
    imageops::crop_imm(frame, x as u32, y as u32, width as u32, height as u32).to_image()
}

/// Labels as a device makes them that has no room for logits: of every window those of its core.
fn core_labels(segmenter: &dyn Segmenter, frame: &RgbImage, halo: usize) -> Result<LabelMap> {
    let (size, height, width) = (segmenter.size(), frame.height() as usize, frame.width() as usize);
    let windows: Vec<Window> = CoreWindows::new(height, width, size, halo).with_context(|| too_small(frame, size))?.collect();
    let made: Vec<LabelMap> = windows.par_iter().map(|window| segmenter.labels(&crop(frame, window.rect))).collect::<Result<_>>()?;
    let mut data = vec![0; height * width];
    for (window, labels) in windows.iter().zip(&made) {
        for (from, to) in window.spans(width) {
            data[to].copy_from_slice(&labels.data[from]);
        }
    }
    LabelMap::new(height, width, data)
}

/// Mean of logits of one shape.
fn mean(all: &[Logits]) -> Result<Logits> {
    let first = all.first().context("a mean of no logits")?;
    ensure!(all.iter().all(|one| one.data.len() == first.data.len()), "a mean of logits that differ in shape");
    let value = |at: usize| (all.iter().map(|one| f64::from(one.data[at])).sum::<f64>() / all.len() as f64) as f32;
    Logits::new(first.height, first.width, first.classes, (0..first.data.len()).map(value).collect())
}
