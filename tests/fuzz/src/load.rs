//! Any bytes as a model image.

use hrvit_core::{Plan, Streamed, WeightPlacement, read_head};
use hrvit_format::aligned::AlignedBytes;
use hrvit_format::{Model, ModelBuf, START_BYTES, Size};
use hrvit_tests::flash::Flash;

use crate::image::{base, mend_crcs};
use crate::{Choices, Verdict};

/// Sizes that every loaded network is planned for.
const SIZES: [(u16, u16); 3] = [(32, 32), (224, 224), (4096, 4096)];

/// Loads bytes as a model image: as they are, or behind the first bytes of a valid one with its
/// CRCs mended. Panics if memory and stream disagree on its validity, or if a valid image cannot be
/// read back. Panics too if its network has neither a plan nor an error.
pub fn load(data: &[u8]) -> Verdict {
    let mut choices = Choices::new(data);
    let image = made(&mut choices);
    let Ok(model) = Model::load(&image) else {
        assert!(!streams(&image), "refused from memory, loaded from a stream");
        return Verdict::Refused;
    };
    assert!(streams(&image), "loaded from memory, refused from a stream");
    let owned = ModelBuf::from_bytes(&image).unwrap_or_else(|error| panic!("loaded, but not as a copy: {error}"));
    assert_eq!(owned.model().meta(), model.meta());
    for (id, _) in model.step_ids() {
        assert!(model.group(id).is_some() && model.step(id).is_some() && owned.group(id) == model.group(id), "step {id} has no group");
    }
    let classes = usize::from(model.meta().network.classes);
    (0..=classes).for_each(|class| {
        let _named = (model.meta().class_name(class), model.meta().colour(class));
    });
    for (height, width) in SIZES {
        let size = Size::new(height, width).unwrap_or_else(|error| panic!("{error}"));
        if let Ok(plan) = Plan::for_model(&model).size(size).build() {
            assert!(plan.arena_bytes() >= plan.moments().map(|moment| moment.bytes()).max().unwrap_or(0), "{size}: a step needs more than the arena");
        }
    }
    Verdict::Accepted
}

/// The image: raw bytes, or a valid one in which they replace a run of bytes.
fn made(choices: &mut Choices<'_>) -> AlignedBytes {
    if choices.one_in(4) {
        let rest = choices.rest();
        let mut image = AlignedBytes::zeroed(rest.len());
        image.copy_from_slice(rest);
        return image;
    }
    let mut image = base(choices).image.clone();
    let (at, mend) = (choices.below(image.len()), !choices.one_in(8));
    let rest = choices.rest();
    image.iter_mut().skip(at).zip(rest).for_each(|(byte, new)| *byte = *new);
    if mend {
        mend_crcs(&mut image);
    }
    image
}

/// Whether the image can be streamed.
pub fn streams(image: &[u8]) -> bool {
    let mut head = AlignedBytes::zeroed(image.len().max(START_BYTES));
    let Ok(model) = read_head(&mut Flash::new(image), &mut head) else { return false };
    let WeightPlacement::Streamed { largest_group } = WeightPlacement::streamed(&model) else { return false };
    // No group that lies in the image is larger.
    let mut buffer = AlignedBytes::zeroed(largest_group.min(image.len()).max(64));
    Streamed::open(model, Flash::new(image), &mut buffer).is_ok()
}
