//! Labels of a camera's frame: those of the picture that its rows make, on every instruction set,
//! however many workers there are.

use hrvit_camera::{Filter, Fit, Format, Frame, Geometry, Kernels, Matrix, Range, Region, Rotation, Rows, View};
use hrvit_core::{Engine, Isa, Model, NoObserver, Plan, Segmentation, Serial};
use hrvit_format::{Head, aligned::AlignedBytes};
use hrvit_tests::{random_image::random_image, specs::size, specs::tiny};

/// Fills the labels by means of an engine.
type Work<'w> = &'w mut dyn FnMut(&mut Engine<&Model<'_>, AlignedBytes, Serial>, &mut [u8]);

/// Smooth shading, so that neighbouring pixels differ little.
fn shading(bytes: usize, seed: usize) -> Vec<u8> {
    (0..bytes).map(|at| ((at * (3 + seed)) >> 4) as u8).collect()
}

#[test]
fn labels_of_a_cameras_frame_are_those_of_the_picture_that_its_rows_make() {
    let size = size(64, 96);
    let image = random_image(&tiny(Head::Segformer), size, 5);
    let model = Model::load(&image).unwrap();
    let views = [
        View::default(),
        View { rotation: Rotation::Quarter, fit: Fit::Letterbox { bars: [124, 116, 104] }, ..View::default() },
        View { region: Some(Region { y: 3, x: 5, height: 60, width: 71 }), rotation: Rotation::Half, mirror: true, fit: Fit::Crop },
    ];
    for (seed, format) in Format::ALL.into_iter().enumerate() {
        let (width, height) = (130, 77);
        let buffer = shading(format.frame_bytes(width, height), seed);
        let frame = Frame::packed(format, width, height, &buffer).unwrap().with_colour(Matrix::Bt709, Range::Full);
        for view in views {
            let geometry = Geometry::new(width, height, view, size).unwrap();
            let mut scratch = vec![0; Rows::scratch_words(format, &geometry, Filter::Area).unwrap()];
            // The definition alone makes the picture and its labels.
            let mut picture = vec![0; 3 * size.pixels()];
            let mut rows = Rows::new(Kernels::SCALAR, frame, geometry, Filter::Area, &mut scratch).unwrap();
            picture.chunks_exact_mut(3 * 96).enumerate().for_each(|(y, row)| rows.read(y, row).unwrap());
            let run = |kernels: Kernels, work: Work<'_>| {
                let plan = Plan::for_model(&model).build().unwrap();
                let arena = AlignedBytes::zeroed(plan.arena_bytes());
                let mut engine = Engine::with_kernels(&model, plan, Serial, arena, kernels).unwrap();
                let mut labels = vec![0; size.pixels()];
                work(&mut engine, &mut labels);
                labels
            };
            let expected = run(Kernels::SCALAR, &mut |engine, labels| engine.segment(&picture, labels, &NoObserver).unwrap());
            for kernels in Isa::ALL.iter().filter_map(|isa| Kernels::new(*isa).ok()) {
                // Weights lie as the definition reads them, which some instruction sets do not
                // take.
                if hrvit_core::packing_for(kernels) != hrvit_core::packing_for(Kernels::SCALAR) && kernels.isa() != Isa::Scalar {
                    continue;
                }
                let labels = run(kernels, &mut |engine, labels| {
                    let mut rows = Rows::new(kernels, frame, geometry, Filter::Area, &mut scratch).unwrap();
                    engine.segment_rows(&mut |y, pixels: &mut [u8]| rows.read(y, pixels), Segmentation::new(labels), &NoObserver).unwrap();
                });
                assert!(labels == expected, "{format} {view:?} {}", kernels.isa());
            }
        }
    }
}
