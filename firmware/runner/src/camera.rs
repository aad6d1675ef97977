//! A camera's buffer, whose rows are made as the engine asks for them: there is never a whole frame
//! in red, green and blue.

use defmt::Format;
use hrvit_camera::{Filter, Frame, Geometry, Matrix, Range, Rows, View};
use hrvit_core::{ModelSource, Observer, Segmentation};
use static_cell::ConstStaticCell;

use crate::{
    code::Code,
    job::{Job, not_run},
};

/// Words that rows are made in: enough for four bytes a pixel of 1280x720, whichever way it is
/// turned.
pub const SCRATCH_WORDS: usize = 8192;

static SCRATCH: ConstStaticCell<[u32; SCRATCH_WORDS]> = ConstStaticCell::new([0; SCRATCH_WORDS]);

/// A camera's buffer.
#[derive(Clone, Copy, Debug)]
pub struct Camera {
    /// Order of the bytes.
    pub format: hrvit_camera::Format,
    /// Pixels of a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Planes one after another, rows without gaps.
    pub buffer: &'static [u8],
    /// Colours of luma and chroma; formats of red, green and blue need none.
    pub colours: (Matrix, Range),
    /// Which part the network sees, and how it is turned.
    pub view: View,
}

impl<S: ModelSource<Error: Format>, G> Job<'_, S, G> {
    /// Runs the camera's frame; whether there is a camera. To be called once.
    pub fn camera_frame(&mut self, observer: &dyn Observer) -> Result<bool, Code> {
        let Self { engine, labels, camera, .. } = self;
        let Some(Camera { format, width, height, buffer, colours: (matrix, range), view }) = *camera else { return Ok(false) };
        let frame = Frame::packed(format, width, height, buffer).map_err(|error| Code::Setup.because(error))?.with_colour(matrix, range);
        let geometry = Geometry::new(width, height, view, engine.plan().size()).map_err(|error| Code::Setup.because(error))?;
        let Some(scratch) = SCRATCH.try_take() else { return Ok(false) };
        let mut rows = Rows::new(engine.kernels(), frame, geometry, Filter::Area, scratch).map_err(|error| Code::Setup.because(error))?;
        engine.segment_rows(&mut |y, pixels: &mut [u8]| rows.read(y, pixels), Segmentation::new(labels), observer).map_err(not_run)?;
        Ok(true)
    }
}
