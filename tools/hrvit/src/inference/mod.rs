//! Ways of a frame of any size through a network of one size. It is fitted, or goes in sliding
//! windows, or in windows with a halo as on a device. Mirrored too.
//!
//! | module | what |
//! |---|---|
//! | [`args`] | the options `--resize`, `--slide`, `--stride`, `--halo`, `--flip` |
//! | [`mosaic`] | the mean of overlapping windows' logits, row by row of the frame |

pub mod args;
pub mod mosaic;

use std::borrow::Cow;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use hrvit_core::windows::{CoreWindows, Rect, SlidingWindows, Window};
use hrvit_format::{Head, Size};
use image::{RgbImage, imageops};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::fit::{self, Fitting, Placement, extent};
use crate::frames::Extent;
use crate::inputs::camera::{Camera, Pixels};
use crate::labels::{self, LabelMap, NO_LABEL};
use crate::logits::Logits;
use crate::segmenter::{Segmented, Segmenter, Wanted};
use mosaic::{Mosaic, Piece};

/// A network's view of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum Framing {
    /// One input of the network's size.
    Resized(Fitting),
    /// Windows of the network's size; where they overlap their logits' mean decides.
    Slide {
        /// Rows and columns from one window to the next.
        stride: (usize, usize),
        /// Whether frames are resized first, until they just cover a window.
        keep_ratio: bool,
    },
    /// Windows of the network's size; of each the labels of its core are kept.
    Halo {
        /// Pixels between a core and its window's border.
        halo: usize,
        /// Whether frames are resized first, until they just cover a window.
        keep_ratio: bool,
    },
}

impl Default for Framing {
    fn default() -> Self {
        Self::Resized(Fitting::Stretch)
    }
}

/// How frames are put through a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inference {
    /// The network's view.
    #[serde(flatten)]
    pub framing: Framing,
    /// Whether the mirrored frame's logits, mirrored back, count as much as the frame's.
    pub flip: bool,
    /// Which camera's frames pictures become before they are fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<Through>,
}

/// A camera whose frames stand for pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Through {
    /// BT.601 in limited range, chroma the mean of 2x2 pixels
    Nv12,
}

/// A frame as its inputs are cut from it.
#[derive(Clone, Debug)]
pub struct Input<'f> {
    /// The network's one input, or the picture that windows slide over.
    pub picture: Cow<'f, RgbImage>,
    /// Place of the frame in it.
    pub placement: Placement,
}

/// Result of one network on one labelled frame.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// Class of every pixel, at the labels' size; [`NO_LABEL`] where a crop leaves the pixel out.
    pub labels: LabelMap,
    /// By how much the largest logit of every pixel exceeds the second largest, where that was
    /// wanted.
    pub margins: Option<Vec<f32>>,
    /// The logits that two networks are compared by: the frame's without bars, or every window's;
    /// none with a halo.
    pub logits: Vec<Logits>,
}

impl Inference {
    /// Whether frames are cut into windows.
    pub fn has_windows(&self) -> bool {
        !matches!(self.framing, Framing::Resized(_))
    }

    /// In words, after a number of frames, for a network of `size`.
    pub fn words(&self, size: Size) -> String {
        let resized = |keep_ratio| if keep_ratio { "resized to cover one, " } else { "" };
        let framing = match self.framing {
            Framing::Resized(Fitting::Stretch) => format!("at {size}"),
            Framing::Resized(Fitting::Crop) => format!("in crops of their middle at {size}"),
            Framing::Resized(Fitting::Letterbox { .. }) => format!("between bars at {size}"),
            Framing::Slide { stride: (rows, columns), keep_ratio } => {
                format!("{}in windows of {size} every {rows}x{columns} pixels", resized(keep_ratio))
            }
            Framing::Halo { halo, keep_ratio } => format!("{}in windows of {size} with a halo of {halo} pixels", resized(keep_ratio)),
        };
        let framing = if self.flip { format!("{framing}, mirrored too") } else { framing };
        if self.through.is_some() { format!("{framing}, through NV12") } else { framing }
    }

    /// [`Inference::input`] of a frame that may be a camera's; windows slide over its own pixels.
    ///
    /// # Errors
    /// As [`Pixels::fitted`] and [`Inference::input`].
    pub fn input_of<'f>(&self, pixels: &'f Pixels, size: Size) -> Result<Input<'f>> {
        match self.framing {
            Framing::Resized(fitting) if pixels.is_of_camera() => {
                let (picture, placement) = pixels.fitted(fitting, size)?;
                Ok(Input { picture: Cow::Owned(picture), placement })
            }
            _ => self.input(&pixels.rgb, size),
        }
    }

    /// The frame as its inputs are cut from it.
    ///
    /// # Errors
    /// If the frame has no pixels, or too many once it covers a window.
    pub fn input<'f>(&self, frame: &'f RgbImage, size: Size) -> Result<Input<'f>> {
        Ok(match self.framing {
            Framing::Resized(fitting) if self.through.is_some() => {
                let picture = Camera::nv12(frame)?.input(fitting, size)?;
                Input { picture: Cow::Owned(picture), placement: fitting.placement(extent(frame), size) }
            }
            Framing::Resized(fitting) => {
                let (picture, placement) = fitting.input(frame, size)?;
                Input { picture: Cow::Owned(picture), placement }
            }
            Framing::Slide { keep_ratio: true, .. } | Framing::Halo { keep_ratio: true, .. } => {
                Input { picture: Cow::Owned(fit::covering(frame, size)?), placement: Placement::WHOLE }
            }
            Framing::Slide { .. } | Framing::Halo { .. } => Input { picture: Cow::Borrowed(frame), placement: Placement::WHOLE },
        })
    }

    /// Checks that windows fit into a frame of so many rows and columns.
    ///
    /// # Errors
    /// If they do not: it is smaller, or has too many pixels once it covers a window.
    pub fn check(&self, frame: Extent, size: Size) -> Result<()> {
        if self.keeps_ratio() {
            return fit::covering_extent(frame, size).map(drop);
        }
        let fits = frame.0 >= size.height.into() && frame.1 >= size.width.into();
        ensure!(fits || !self.has_windows(), "{}: the frame is smaller than a window; --keep-ratio resizes it first", too_small(frame, size));
        Ok(())
    }

    /// Checks that a network with this head takes windows, if there are any.
    ///
    /// # Errors
    /// If it does not.
    pub fn check_head(&self, head: Head) -> Result<()> {
        ensure!(
            head == Head::Segformer || !self.has_windows(),
            "windows are for segmentors, and this is a classifier: leave out --slide, --halo and --keep-ratio, or give --resize stretch, crop or letterbox"
        );
        Ok(())
    }

    /// One input of the network from a frame, and where the frame lies in it: all of it, or the
    /// window in its middle.
    ///
    /// # Errors
    /// If the frame has no pixels, or is smaller than the window.
    pub fn sample(&self, frame: &RgbImage, size: Size) -> Result<(RgbImage, Placement)> {
        let Input { picture: input, placement } = self.input(frame, size)?;
        if !self.has_windows() {
            return Ok((input.into_owned(), placement));
        }
        let middle = |frame: u32, window: u16| frame.checked_sub(u32::from(window)).map(|rest| rest as usize / 2);
        let (y, x) = middle(input.height(), size.height).zip(middle(input.width(), size.width)).with_context(|| too_small(extent(&input), size))?;
        Ok((crop(&input, Rect { y, x, height: size.height.into(), width: size.width.into() }), placement))
    }

    /// Whether frames are resized before windows slide over them.
    fn keeps_ratio(&self) -> bool {
        matches!(self.framing, Framing::Slide { keep_ratio: true, .. } | Framing::Halo { keep_ratio: true, .. })
    }

    /// Labels of an [`input`](Self::input) and what else is wanted, at the input's size.
    ///
    /// # Errors
    /// If this is a classifier, the frame is smaller than a window, or something is wanted that
    /// windows do not give.
    pub fn segment(&self, segmenter: &dyn Segmenter, input: &RgbImage, wanted: Wanted) -> Result<Segmented> {
        if !self.has_windows() && !self.flip {
            return segmenter.segment(input, wanted);
        }
        ensure!(wanted.margins.is_none(), "margins are the engine's, of one forward pass: leave out --slide, --halo and --flip");
        if let Framing::Halo { halo, .. } = self.framing {
            ensure!(!wanted.logits, "windows with a halo give labels alone: leave out --logits");
            return Ok(Segmented { labels: core_labels(segmenter, input, halo)?, logits: None, margins: None });
        }
        let mosaic = self.mosaic(segmenter, input)?;
        let logits = match self.framing {
            _ if !wanted.logits => None,
            Framing::Resized(_) => Some(mean(&mosaic.pieces())?),
            _ => Some(mosaic.mean()),
        };
        Ok(Segmented { labels: mosaic.labels(), logits, margins: None })
    }

    /// Logits of an [`input`](Self::input), the mean with its mirror image where that is asked for.
    /// Not of windows.
    ///
    /// # Errors
    /// If frames are cut into windows, or as [`Segmenter::logits`].
    pub fn logits(&self, segmenter: &dyn Segmenter, input: &RgbImage) -> Result<Logits> {
        self.check_head(Head::Classifier)?;
        let logits = segmenter.logits(input)?;
        if self.flip { mean(&[logits, segmenter.logits(&imageops::flip_horizontal(input))?.mirrored()]) } else { Ok(logits) }
    }

    /// Labels of an [`input`](Self::input) at the size of its labels, `height` x `width`. Logits
    /// are resized to it; windows of a frame as it is need labels of its size.
    ///
    /// # Errors
    /// If the sizes do not fit each other, or as [`Self::segment`].
    pub fn predict(&self, segmenter: &dyn Segmenter, input: &Input<'_>, (height, width): (usize, usize), margins: bool) -> Result<Prediction> {
        let Input { picture, placement } = input;
        input.check_classes(segmenter.classes())?;
        if !self.has_windows() {
            let logits = self.logits(segmenter, picture)?;
            let (labels, margins) = if margins {
                let (labels, margins) = logits.labels_and_margins_at(placement, height, width);
                (labels, Some(margins))
            } else {
                (logits.labels_at(placement, height, width), None)
            };
            return Ok(Prediction { labels, margins, logits: vec![logits.within(placement)] });
        }
        let own = (picture.height() as usize, picture.width() as usize);
        let fits = self.keeps_ratio() || own == (height, width);
        ensure!(fits, "frame of {}x{}, labels of {height}x{width}: windows need labels of the frame's size", own.0, own.1);
        if let Framing::Halo { halo, .. } = self.framing {
            ensure!(!margins, "windows with a halo have no margins");
            let labels = core_labels(segmenter, picture, halo)?;
            return Ok(Prediction { labels: labels::nearest(&labels, placement, height, width, NO_LABEL), margins: None, logits: Vec::new() });
        }
        let mosaic = self.mosaic(segmenter, picture)?;
        if own != (height, width) {
            let (labels, found) = mosaic.labels_and_margins_at(height, width);
            return Ok(Prediction { labels, margins: margins.then_some(found), logits: mosaic.pieces() });
        }
        Ok(Prediction { labels: mosaic.labels(), margins: margins.then(|| mosaic.margins()), logits: mosaic.pieces() })
    }

    /// How many frames of `frames` to begin at a time: as many as there are threads where their
    /// windows are shared out too. A thread that waits for windows would otherwise begin one more
    /// frame.
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
            Framing::Slide { stride, .. } => stride,
            _ => (size.height.into(), size.width.into()),
        };
        let rects: Vec<Rect> = SlidingWindows::new(height, width, size, stride).with_context(|| too_small(extent(input), size))?.collect();
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

impl Input<'_> {
    /// Checks that a pixel that a crop leaves out can be told from one of `classes` classes.
    ///
    /// # Errors
    /// If it cannot.
    pub fn check_classes(&self, classes: usize) -> Result<()> {
        let most = usize::from(NO_LABEL);
        ensure!(
            self.placement.shows_all() || classes <= most,
            "a crop leaves pixels without a label, whose value is {NO_LABEL}: {classes} classes are too many"
        );
        Ok(())
    }
}

fn too_small((height, width): Extent, size: Size) -> String {
    format!("windows of {size} in a frame of {height}x{width}")
}

/// The pixels of a rectangle inside of the frame.
fn crop(frame: &RgbImage, rect: Rect) -> RgbImage {
    let Rect { y, x, height, width } = rect;
    imageops::crop_imm(frame, x as u32, y as u32, width as u32, height as u32).to_image()
}

/// Labels as a device makes them that has no room for logits: of every window those of its core.
fn core_labels(segmenter: &dyn Segmenter, frame: &RgbImage, halo: usize) -> Result<LabelMap> {
    let (size, height, width) = (segmenter.size(), frame.height() as usize, frame.width() as usize);
    let windows: Vec<Window> = CoreWindows::new(height, width, size, halo).with_context(|| too_small(extent(frame), size))?.collect();
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
