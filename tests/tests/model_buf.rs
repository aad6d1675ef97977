//! Images that own their memory: what they hand out is what a borrowed image hands out.

use hrvit_core::Model;
use hrvit_format::{Golden, Head, LoadError, ModelBuf, ReadCause};
use hrvit_tests::random_image::{edited_image, random_frame, random_image};
use hrvit_tests::run::with_engine;
use hrvit_tests::specs::{size, tiny};

#[test]
fn an_owned_image_is_the_borrowed_one() {
    let network = tiny(Head::Segformer);
    let (crcs, frame): (Vec<u32>, _) = ((0..network.steps().count() as u32).collect(), random_frame(size(32, 64), 3));
    let image = edited_image(&network, size(32, 64), 3, Some(Golden { crcs: &crcs, frame: &frame, result: None }), |_, _| ());
    let borrowed = Model::load(&image).unwrap();
    // Bytes that begin anywhere, and moved afterwards.
    let odd = [&[0; 3], &image[..]].concat();
    let bufs = Box::new(ModelBuf::from_bytes(&odd[3..]).unwrap());
    let owned = bufs.model();
    assert_eq!((owned.meta(), owned.sequence(), owned.total_len(), owned.packing()), (borrowed.meta(), borrowed.sequence(), image.len(), borrowed.packing()));
    assert_eq!((owned.steps(), owned.ops(), owned.exp_table(), owned.weights()), (borrowed.steps(), borrowed.ops(), borrowed.exp_table(), borrowed.weights()));
    let golden = owned.golden().unwrap();
    assert_eq!((golden.crcs, golden.frame, golden.result.is_none()), (&crcs[..], &frame[..], true));
    let labels = |model: &Model<'_>| {
        with_engine(model, |engine| {
            let mut labels = vec![0; 32 * 64];
            engine.segment(&frame, &mut labels, &hrvit_core::NoObserver).unwrap();
            labels
        })
    };
    assert_eq!(labels(&owned), labels(&borrowed));
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_name() {
    let error = ModelBuf::read("/no/such/model.hrvit").unwrap_err();
    assert!(matches!(error.cause, ReadCause::File(_)) && error.to_string().starts_with("/no/such/model.hrvit: "), "{error}");
    let error = ModelBuf::read(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap_err();
    assert!(matches!(error.cause, ReadCause::Image(LoadError::BadMagic)), "{error}");
}

#[test]
fn a_misaligned_image_says_how_to_align_it() {
    let image = random_image(&tiny(Head::Segformer), size(32, 64), 4);
    let odd = [&[0; 64], &image[..]].concat();
    let at = (0..64).find(|at| !odd[*at..].as_ptr().addr().is_multiple_of(64)).unwrap();
    let error = Model::load(&odd[at..]).unwrap_err();
    assert_eq!(error, LoadError::Misaligned);
    assert!(error.to_string().contains("ModelBuf") && error.to_string().contains("Aligned"), "{error}");
}
