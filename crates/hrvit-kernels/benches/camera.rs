//! Rows of an input from a camera's frame.
#![allow(missing_docs, reason = "criterion's macros make an undocumented function")]

mod common;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hrvit_camera::{Filter, Format, Frame, Geometry, Rotation, Rows, Size, View};

use common::all_kernels;

/// Frames of 1280x720 to an input of 192x256.
fn rows(criterion: &mut Criterion) {
    let (width, height, size) = (1280, 720, Size { height: 192, width: 256 });
    for (format, rotation) in
        [(Format::Nv12, Rotation::None), (Format::Nv12, Rotation::Quarter), (Format::Rgb565, Rotation::None), (Format::Rgba, Rotation::None)]
    {
        let bytes: Vec<u8> = (0..format.frame_bytes(width, height)).map(|at| ((at * 31) >> 3) as u8).collect();
        let geometry = Geometry::new(width, height, View { rotation, ..View::default() }, size).expect("a view of the whole frame");
        let frame = Frame::packed(format, width, height, &bytes).expect("a frame of its bytes");
        let mut scratch = vec![0; Rows::scratch_words(format, &geometry, Filter::Area).expect("sums of 32 bits")];
        let mut pixels = vec![0; 3 * usize::from(size.width)];
        let mut group = criterion.benchmark_group("camera_rows");
        group.throughput(Throughput::Elements((width * height) as u64));
        for kernels in all_kernels() {
            let name = BenchmarkId::new(kernels.isa().name(), format!("{format} {width}x{height} {rotation:?}"));
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    let mut rows = Rows::new(kernels, frame, geometry, Filter::Area, &mut scratch)?;
                    (0..usize::from(size.height)).try_for_each(|y| rows.read(y, &mut pixels))
                })
            });
        }
        group.finish();
    }
}

criterion_group!(benches, rows);
criterion_main!(benches);
