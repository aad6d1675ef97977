//! One HRViT block: `x ← x + attn(attn_norm(x)) + des(x)`; `x ← x + ffn(ffn_norm(x))`.

use hrvit_format::{Between, Spec};

use super::{NamedTap, Scope};
use crate::map::Map;
use crate::operators::activation::{activate, apply, apply_gelu, hardswish};
use crate::operators::attention::{Softmax, cross_shaped};
use crate::operators::convolution::Window;
use crate::operators::des;

pub(super) fn block(scope: &Scope<'_>, spec: &Spec, branch: usize, mut x: Map, name: &str, tap: NamedTap<'_>) -> Map {
    let mut seen = |part: &str, map: &Map| tap(&format!("{name}.{part}"), map);
    let normed = scope.layer_norm("attn_norm", &x);
    seen("attn_norm", &normed);
    let attended = attention(scope, spec, branch, &normed, &mut seen);
    seen("attn", &attended);
    let shortcut = (!spec.ablation().no_des).then(|| diversity(scope, spec, &x));
    x.add(&attended);
    if let Some(shortcut) = shortcut {
        seen("des", &shortcut);
        x.add(&shortcut);
    }
    let normed = scope.layer_norm("ffn_norm", &x);
    seen("ffn_norm", &normed);
    let mixed = mix_cfn(scope, spec.ablation().between, &normed, &mut seen);
    seen("ffn", &mixed);
    x.add(&mixed);
    tap(name, &x);
    x
}

/// `attn_bn(to_out(Hardswish(strips(q, v) + parallel_conv(v))))` with `[q, v] = to_qkv(x)`, or
/// `strips(q, k, v)` with `[q, k, v]`.
fn attention(scope: &Scope<'_>, spec: &Spec, branch: usize, x: &Map, seen: NamedTap<'_>) -> Map {
    let scope = scope.child("attn");
    let qv = scope.linear("to_qkv", x);
    seen("attn.to_qkv", &qv);
    let own_keys = spec.ablation().own_keys;
    let dim = usize::from(spec.attention_dim(branch));
    let softmax = Softmax::Natural { scale: 1.0 / (dim as f32).sqrt() };
    let mut y = cross_shaped(&qv, own_keys, spec.window(branch), dim, softmax).values;
    if !spec.ablation().no_parallel_path {
        let v = qv.channel_range(qv.channels - x.channels, qv.channels);
        let parallel = scope.depthwise("parallel_conv.1", &v.map(hardswish), Window { kernel: 3, stride: 1 });
        seen("attn.parallel_conv", &parallel);
        y.add(&parallel);
    }
    if spec.ablation().no_extra_norm {
        return scope.linear("to_out.0", &y);
    }
    apply(&mut y, hardswish);
    let mut y = scope.linear("to_out.0", &y);
    scope.batch_norm("attn_bn", &mut y);
    y
}

/// The diversity-enhancing shortcut of the un-normalised tokens.
fn diversity(scope: &Scope<'_>, spec: &Spec, x: &Map) -> Map {
    let scope = scope.child("des");
    let mut y = des::right(x, scope.get("proj_right.weight"), scope.get("proj_right.bias"));
    activate(&mut y, spec.des_activation);
    des::left(&y, scope.get("proj_left.weight"), scope.get("proj_left.bias"))
}

/// `fc2(GELU([conv_3(a), conv_5(b)]))` with `[a, b] = fc1(x)`, or what is `between` the linear
/// layers.
fn mix_cfn(scope: &Scope<'_>, between: Between, x: &Map, seen: NamedTap<'_>) -> Map {
    let scope = scope.child("ffn");
    let hidden = scope.linear("fc1", x);
    seen("ffn.fc1", &hidden);
    let half = hidden.channels / 2;
    let fine = |x: &Map| scope.depthwise("conv.conv_3", x, Window { kernel: 3, stride: 1 });
    let coarse = |x: &Map| scope.depthwise("conv.conv_5", x, Window { kernel: 5, stride: 1 });
    let mut mixed = match between {
        Between::MixedScale => fine(&hidden.channel_range(0, half)).concat_channels(&coarse(&hidden.channel_range(half, hidden.channels))),
        Between::Scale3 => fine(&hidden),
        Between::Scale5 => coarse(&hidden),
        Between::Nothing => hidden,
    };
    apply_gelu(&mut mixed);
    scope.linear("fc2", &mixed)
}
