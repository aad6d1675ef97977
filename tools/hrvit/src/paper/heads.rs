//! Heads, priced: SegFormer's for segmentation, HRNetV2's for classification.

use hrvit_format::Size;
use hrvit_format::spec::{BOTTLENECK_EXPANSION, CLASSIFIER_FINAL, CLASSIFIER_WIDTHS};

use super::pricing::{Extent, Filter, Operators};

/// SegFormer's head on maps of `channels`: `width` channels of each at the first one's size, fused.
pub fn segformer(operators: &mut Operators, size: Size, channels: [u64; 4], width: u64, classes: u64) {
    operators.begin_head();
    let map = Extent::of_branch(size, 0);
    for (branch, inputs) in channels.into_iter().enumerate() {
        operators.layer("head linear", Filter::dense(inputs, width, 1), Extent::of_branch(size, branch));
    }
    operators.concat("head concat", 4 * width, map);
    operators.folded_layer("head fusion", Filter::dense(4 * width, width, 1).unbiased(), map);
    operators.norm(width);
    operators.layer("head logits", Filter::dense(width, classes, 1), map);
}

/// HRNetV2's classification head.
pub fn hrnet_classifier(operators: &mut Operators, size: Size, channels: [u64; 4], classes: u64) {
    operators.begin_head();
    let widths = CLASSIFIER_WIDTHS.map(u64::from);
    let expanded = widths.map(|width| width * u64::from(BOTTLENECK_EXPANSION));
    for branch in 0..4 {
        let map = Extent::of_branch(size, branch);
        bottleneck(operators, (channels[branch], widths[branch], expanded[branch]), true, map);
        if branch > 0 {
            operators.layer("head downsampling", Filter::dense(expanded[branch - 1], expanded[branch], 3), map);
            operators.norm(expanded[branch]);
        }
    }
    let last = u64::from(CLASSIFIER_FINAL);
    operators.layer("head final", Filter::dense(expanded[3], last, 1), Extent::of_branch(size, 3));
    operators.norm(last);
    operators.layer("head classifier", Filter::dense(last, classes, 1), Extent::POINT);
}

/// A residual bottleneck of inputs, inner width and outputs, beside a projection or the identity.
pub fn bottleneck(operators: &mut Operators, (inputs, width, outputs): (u64, u64, u64), projected: bool, map: Extent) {
    for (filter, channels) in [(Filter::dense(inputs, width, 1), width), (Filter::dense(width, width, 3), width), (Filter::dense(width, outputs, 1), outputs)] {
        operators.layer("bottleneck", filter.unbiased(), map);
        operators.norm(channels);
    }
    if projected {
        operators.layer("bottleneck shortcut", Filter::dense(inputs, outputs, 1).unbiased(), map);
        operators.norm(outputs);
    }
}
