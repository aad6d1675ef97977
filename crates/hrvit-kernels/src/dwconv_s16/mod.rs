//! Depthwise convolution of 16-bit codes, one output row at a time: s16 times s8 weights.

mod scalar;

use crate::dwconv_s8::Depthwise;
use crate::epilogue::Epilogue;
use crate::error::{ShapeError, require};
use crate::kernels::{Kernels, backends};

impl Kernels {
    /// [`Kernels::depthwise_s8`] of one output row on 16-bit codes,
    /// `kernel^2 * max|code| * 127 + |bias| < 2^31`.
    ///
    /// # Errors
    /// As [`Kernels::depthwise_s8`].
    pub fn depthwise_s16(self, args: &Depthwise<'_, i16>, epilogue: Epilogue<'_>, out_stride: usize) -> Result<(), ShapeError> {
        args.check(&epilogue, out_stride)?;
        require(args.lines() == 1, ShapeError::Input)?;
        run(self.tier, args, epilogue, out_stride);
        Ok(())
    }
}

backends! {
    { Avx2.. => compiled }
    chosen;
    fn run(args: &Depthwise<'_, i16>, epilogue: Epilogue<'_>, out_stride: usize);
}
