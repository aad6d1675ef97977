//! Elements of tensors.

use core::fmt::Debug;

use bytemuck::Pod;

/// Values of one tile, row-major, channel last.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum TileData<'a> {
    /// 8-bit codes.
    S8(&'a [i8]),
    /// 16-bit codes.
    S16(&'a [i16]),
    /// 32-bit sums.
    S32(&'a [i32]),
    /// Class indices.
    U8(&'a [u8]),
    /// Half-precision numbers.
    #[cfg(feature = "fp16")]
    F16(&'a [hrvit_kernels::f16]),
    /// Sums of half-precision steps.
    #[cfg(feature = "fp16")]
    F32(&'a [f32]),
}

impl<'a> TileData<'a> {
    /// The values as they lie in memory, little-endian.
    pub fn bytes(&self) -> &'a [u8] {
        match self {
            Self::S8(codes) => bytemuck::cast_slice(codes),
            Self::S16(codes) => bytemuck::cast_slice(codes),
            Self::S32(sums) => bytemuck::cast_slice(sums),
            Self::U8(labels) => labels,
            #[cfg(feature = "fp16")]
            Self::F16(values) => bytemuck::cast_slice(values),
            #[cfg(feature = "fp16")]
            Self::F32(sums) => bytemuck::cast_slice(sums),
        }
    }
}

/// Element of a tensor.
pub trait Element: Pod + Debug + Send + Sync {
    /// Elements as observers see them.
    fn tile(elements: &[Self]) -> TileData<'_>;
}

macro_rules! elements {
    ($($type:ty => $variant:ident),*) => {
        $(impl Element for $type {
            fn tile(elements: &[Self]) -> TileData<'_> {
                TileData::$variant(elements)
            }
        })*
    };
}

elements!(i8 => S8, i16 => S16, i32 => S32, u8 => U8);
#[cfg(feature = "fp16")]
elements!(hrvit_kernels::f16 => F16, f32 => F32);

/// Sets sums to zero. On Arm processors [`hrvit_kernels::clear`] does it, with vectors if the
/// processor has them.
pub fn clear<T: Element>(sums: &mut [T]) {
    if cfg!(any(target_arch = "aarch64", target_arch = "arm")) {
        hrvit_kernels::clear(bytemuck::must_cast_slice_mut(sums));
    } else {
        sums.fill(T::zeroed());
    }
}
