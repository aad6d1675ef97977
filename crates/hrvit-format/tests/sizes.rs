//! Sizes near the end of a 32-bit address space: refused with an error, whatever the width of
//! `usize`. (`cargo xtask test` runs these on a 32-bit target too, where such sums overflow.)
#![cfg(all(feature = "std", feature = "fp16"))]

use std::mem::offset_of;

use hrvit_format::{
    Ablation, DriftBound, Golden, GoldenResult, Head, LoadError, Logit, Meta, Model, ModelHead, Network, Packing, Preprocess, Size, Spec, StepId,
    StepMagnitude,
    aligned::AlignedBytes,
    crc32, crc32_after,
    record::{EXP_ENTRIES, Prologue, Section, SectionRecord, StepRecord},
    spec::Activation,
    writer::{HalfOp, ImageData, StepData, write_image},
};

/// Everything that a field of 32 bits can say and that is near its end.
fn near_the_end() -> impl Iterator<Item = u32> {
    (u32::MAX - 260..=u32::MAX).chain([1 << 31, (1 << 31) - 1, u32::MAX - 4096])
}

/// A small network of half precision with weights of 0.
fn network(head: Head) -> Network {
    let blocks = [&[1][..], &[1, 0], &[0, 1, 0], &[0, 0, 1, 1]].iter().map(|module| module.iter().copied().collect()).collect();
    let spec = Spec {
        stem: 2,
        channels: [8; 4],
        blocks,
        head_dim: 4,
        windows: [1, 2, 7, 7],
        ratios: [1; 4],
        head_width: 8,
        des_activation: Activation::Gelu,
        ablation: Ablation::NONE,
    };
    Network { spec, head, classes: 5 }
}

/// Its image, with or without a golden section.
fn image(head: Head, with_golden: bool) -> AlignedBytes {
    let (network, size) = (network(head), Size::new(32, 32).unwrap());
    let steps = network.steps().map(|step| {
        let ops = network.ops(step);
        let values = ops.iter().map(|op| {
            let channels = usize::from(op.cout);
            match op.kind {
                kind if kind.is_norm() => HalfOp { bias: vec![0.0; channels], gain: vec![1.0; channels], eps: 1, ..HalfOp::default() },
                _ if op.kernel == 0 => HalfOp::default(),
                kind => {
                    let biases = if kind == hrvit_format::OpKind::StemConv1 { 4 * channels } else { channels };
                    HalfOp { weights: vec![0; op.weight_count()], bias: vec![0.0; biases], ..HalfOp::default() }
                }
            }
        });
        StepData::Fp16(values.collect())
    });
    let steps: Vec<StepData> = steps.collect();
    let (logits, labels) = match head {
        Head::Segformer => (vec![Logit::default(); 64 * 5], vec![0; size.pixels()]),
        Head::Classifier => (vec![Logit::default(); 5], Vec::new()),
    };
    let (crcs, frame) = (vec![0; steps.len()], vec![0; 3 * size.pixels()]);
    let (bound, steps_left) = (DriftBound { logits: 0.5, labels: 1 }, vec![StepMagnitude { magnitude: 0.0, bound: 0.0 }; steps.len()]);
    let result = GoldenResult { bound, steps: &steps_left, logits: &logits, labels: &labels };
    let golden = Golden { crcs: &crcs, frame: &frame, result: Some(result) };
    let meta =
        Meta { network: network.clone(), size, preprocess: Preprocess::IMAGENET, threshold: None, class_names: "", colours: &[7; 15], provenance: "zeros" };
    let exp = hrvit_kernels::exp_table();
    assert_eq!(exp.len(), EXP_ENTRIES);
    let data = ImageData { meta: &meta, sequence: 1, packing: Packing::Rows, steps: &steps, exp: &exp, golden: with_golden.then_some(golden) };
    write_image(&data).unwrap()
}

/// The record of a section, and where it lies in the image.
fn section(image: &[u8], wanted: Section) -> (usize, SectionRecord) {
    let count = usize::from(u16::from_le_bytes([image[offset_of!(Prologue, sections)], image[offset_of!(Prologue, sections) + 1]]));
    let places = (0..count).map(|i| size_of::<Prologue>() + i * size_of::<SectionRecord>());
    let mut records = places.map(|at| (at, bytemuck::pod_read_unaligned::<SectionRecord>(&image[at..at + size_of::<SectionRecord>()])));
    records.find(|(_, record)| record.kind == wanted as u32).unwrap()
}

/// An image's head, with fields to be damaged and CRCs that match what it then says.
struct Damaged(AlignedBytes);

impl Damaged {
    fn new(image: &[u8]) -> Self {
        let head = section(image, Section::Weights).1.offset as usize;
        Self(AlignedBytes::from(&image[..head]))
    }

    fn set(&mut self, at: usize, value: u32) -> &mut Self {
        self.0[at..at + 4].copy_from_slice(&value.to_le_bytes());
        self
    }

    fn total(&mut self, value: u32) -> &mut Self {
        self.set(offset_of!(Prologue, total_len), value)
    }

    fn section(&mut self, which: Section, offset: u32, len: u32) -> &mut Self {
        let at = section(&self.0, which).0;
        self.set(at + offset_of!(SectionRecord, offset), offset).set(at + offset_of!(SectionRecord, len), len)
    }

    fn step_len(&mut self, step: usize, len: u32) -> &mut Self {
        let steps = section(&self.0, Section::Steps).1.offset as usize;
        self.set(steps + step * size_of::<StepRecord>() + offset_of!(StepRecord, len), len)
    }

    /// With the CRC of the steps that it has.
    fn with_step_crc(&mut self) -> &mut Self {
        let (at, steps) = section(&self.0, Section::Steps);
        let crc = crc32(&self.0[steps.offset as usize..(steps.offset + steps.len) as usize]);
        self.set(at + offset_of!(SectionRecord, crc), crc)
    }

    /// With the CRC of its prologue.
    fn sealed(&mut self) -> &[u8] {
        let sections = usize::from(u16::from_le_bytes([self.0[offset_of!(Prologue, sections)], self.0[offset_of!(Prologue, sections) + 1]]));
        let table = size_of::<Prologue>()..size_of::<Prologue>() + sections * size_of::<SectionRecord>();
        let crc = crc32_after(crc32(&self.0[..offset_of!(Prologue, crc)]), &self.0[table]);
        self.set(offset_of!(Prologue, crc), crc);
        &self.0
    }
}

#[test]
fn whole_images_load() {
    for head in Head::ALL {
        for golden in [false, true] {
            let image = image(head, golden);
            let model = Model::load(&image).unwrap();
            assert_eq!(model.golden().is_some(), golden);
            let groups: usize = model.step_ids().map(|(id, _)| model.padded_group_len(id)).sum();
            assert_eq!(groups, model.weights_range().len());
            assert!(model.largest_group() > 0 && model.largest_group() <= groups);
            let ranges = model.step_ids().map(|(id, _)| model.group_range(id).unwrap());
            assert!(ranges.into_iter().all(|range| range.start <= range.end && range.end <= model.weights_range().end));
            let mut undamaged = Damaged::new(&image);
            assert!(ModelHead::load(undamaged.sealed()).is_ok(), "resealing damages nothing");
        }
    }
}

#[test]
fn a_group_that_ends_beyond_the_address_space_is_refused() {
    for head in Head::ALL {
        let image = image(head, true);
        for step in 0..Model::load(&image).unwrap().steps().len() {
            for len in near_the_end() {
                let error = ModelHead::load(Damaged::new(&image).step_len(step, len).with_step_crc().sealed()).unwrap_err();
                let placed = matches!(error, LoadError::Step(StepId(found)) if [step, step + 1].contains(&found.into()));
                assert!(placed || error == LoadError::Section(Section::Weights), "{head} step {step}, {len} bytes: {error}");
            }
        }
    }
}

#[test]
fn a_section_that_ends_beyond_the_address_space_is_refused() {
    for with_golden in [false, true] {
        let image = image(Head::Segformer, with_golden);
        for which in Section::ALL.into_iter().filter(|&which| which != Section::Golden || with_golden) {
            let offset = section(&image, which).1.offset;
            for (total, end) in near_the_end().flat_map(|total| near_the_end().map(move |end| (total, end))) {
                let mut damaged = Damaged::new(&image);
                damaged.total(total).section(which, offset, end.wrapping_sub(offset));
                // A golden section may end where the image does; its length is compared later.
                let refused = ModelHead::load(damaged.sealed()).and_then(|model| model.golden_ranges());
                assert!(refused.is_err(), "section {which} to {end} of {total} bytes");
            }
        }
    }
}

#[test]
fn a_golden_section_at_the_end_of_the_address_space_is_refused() {
    for head in Head::ALL {
        let image = image(head, true);
        let (weights, steps) = (section(&image, Section::Weights).1.offset, Model::load(&image).unwrap().steps().to_vec());
        let last = steps.len() - 1;
        for golden in [0xffff_ff00u32, 0xffff_ff40, 0xffff_f000, 0xfff0_0000] {
            let mut damaged = Damaged::new(&image);
            damaged.step_len(last, golden - weights - steps[last].offset).with_step_crc();
            damaged.section(Section::Weights, weights, golden - weights).section(Section::Golden, golden, 64).total(golden + 64 + 4);
            // Its records contradict nothing: of an image of 4 GiB, the head alone is at hand.
            let model = ModelHead::load(damaged.sealed()).unwrap();
            assert_eq!(model.golden_ranges(), Err(LoadError::Golden));
            assert_eq!(model.weights_range().end, golden as usize);
            assert_eq!(model.group_range(StepId(last as u16)).unwrap().end, golden as usize);
            assert!(model.largest_group() >= model.padded_group_len(StepId(last as u16)));
        }
    }
}

#[test]
fn a_group_longer_than_the_address_space_has_no_padded_length_below_its_own() {
    let image = image(Head::Segformer, false);
    let model = Model::load(&image).unwrap();
    for len in near_the_end() {
        let steps = [StepRecord { len, ..model.steps()[0] }];
        let records = hrvit_format::Records { steps: &steps, ..model.records() };
        let padded = records.padded_group_len(StepId(0));
        assert!(padded >= len as usize && (padded == usize::MAX || padded.is_multiple_of(64)), "{len}: {padded}");
    }
}

#[test]
fn a_class_beyond_all_has_no_colour() {
    let image = image(Head::Segformer, false);
    let model = Model::load(&image).unwrap();
    let meta = model.meta();
    assert_eq!((meta.colour(4), meta.colour(5)), (Some([7; 3]), None));
    for class in [usize::MAX, usize::MAX / 3, usize::MAX / 3 + 1, usize::MAX - 1] {
        assert_eq!((meta.colour(class), meta.class_name(class)), (None, None));
    }
}
