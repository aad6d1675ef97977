//! The two heads as trained.

use hrvit_format::Spec;
use hrvit_format::spec::{BOTTLENECK_EXPANSION, CLASSIFIER_WIDTHS};

use super::Scope;
use crate::map::Map;
use crate::operators::activation::{apply, relu};
use crate::operators::convolution::Window;
use crate::operators::resize::bilinear;

/// SegFormer's all-MLP head: a projection per branch, bilinear to branch 0's size, concatenation,
/// `fusion_conv`, `conv_seg`.
pub(super) fn segformer(scope: &Scope<'_>, spec: &Spec, branches: &[Map]) -> Map {
    let (rows, columns) = (branches[0].rows, branches[0].columns);
    let projected = branches.iter().enumerate().map(|(branch, x)| bilinear(&scope.linear(&format!("convs.{branch}.conv"), x), rows, columns));
    let all = projected.reduce(|all, next| all.concat_channels(&next)).expect("a network has four branches");
    let mut y = scope.pointwise("fusion_conv.conv", &all, spec.head_width.into());
    scope.batch_norm("fusion_conv.bn", &mut y);
    apply(&mut y, relu);
    scope.linear("conv_seg", &y)
}

/// HRNetV2's classification head: `y = incre_0(x_0)`, `y = incre_{i+1}(x_{i+1}) + downsamp_i(y)`,
/// last convolution, mean, classifier.
pub(super) fn classifier(scope: &Scope<'_>, branches: &[Map]) -> Map {
    let mut y: Option<Map> = None;
    for (branch, x) in branches.iter().enumerate() {
        let mut sum = bottleneck(&scope.child(&format!("incre_modules.{branch}.0")), x, CLASSIFIER_WIDTHS[branch].into());
        if let Some(before) = &y {
            let down = scope.child(&format!("downsamp_modules.{}", branch - 1));
            let mut down_y = down.convolution("0", before, down.get("0.bias"), Window { kernel: 3, stride: 2 });
            down.batch_norm("1", &mut down_y);
            apply(&mut down_y, relu);
            sum.add(&down_y);
        }
        y = Some(sum);
    }
    let last = scope.child("final_layer");
    let mut y = last.linear("0", &y.expect("a network has four branches"));
    last.batch_norm("1", &mut y);
    apply(&mut y, relu);
    scope.linear("classifier", &y.mean())
}

/// `ReLU(bn3(conv3(ReLU(bn2(conv2(ReLU(bn1(conv1(x)))))))) + downsample(x))`.
fn bottleneck(scope: &Scope<'_>, x: &Map, width: usize) -> Map {
    let expanded = width * usize::from(BOTTLENECK_EXPANSION);
    let mut y = scope.pointwise("conv1", x, width);
    scope.batch_norm("bn1", &mut y);
    apply(&mut y, relu);
    let mut y = scope.convolution("conv2", &y, &vec![0.0; width], Window { kernel: 3, stride: 1 });
    scope.batch_norm("bn2", &mut y);
    apply(&mut y, relu);
    let mut y = scope.pointwise("conv3", &y, expanded);
    scope.batch_norm("bn3", &mut y);
    let mut shortcut = scope.pointwise("downsample.0", x, expanded);
    scope.batch_norm("downsample.1", &mut shortcut);
    y.add(&shortcut);
    apply(&mut y, relu);
    y
}
