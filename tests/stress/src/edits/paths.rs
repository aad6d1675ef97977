//! Channels on their way from the tensors that write them to the tensors that read them.

use hrvit_format::{BRANCHES, Head, Network, spec::BOTTLENECK_EXPANSION, spec::CLASSIFIER_FINAL, spec::CLASSIFIER_WIDTHS};
use hrvit_reference::parameters::core_prefix;

/// Function of a channel between its writers and its readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Through {
    /// Nothing: any factor passes.
    Linear,
    /// A ReLU: positive factors pass.
    Relu,
    /// Nothing behind a LayerNorm's affine part: any factor passes.
    Norm,
    /// A GELU, a Hardswish or attention: no factor passes.
    Other,
}

/// A tensor whose row `channel + offset` belongs to a channel.
#[derive(Clone, Debug)]
pub struct Row {
    /// The tensor.
    pub tensor: String,
    /// Row of channel 0.
    pub offset: usize,
}

/// A tensor that reads a channel.
#[derive(Clone, Debug)]
pub struct Reader {
    /// The tensor.
    pub tensor: String,
    /// Position of channel 0.
    pub offset: usize,
    /// Whether rows belong to channels, as in a depthwise convolution, or columns.
    pub rows: bool,
    /// A tensor that takes up constants of the channel, and the sign with which.
    pub absorber: Option<(String, f64)>,
}

/// Channels from writers to readers; nothing else reads them.
#[derive(Clone, Debug)]
pub struct Path {
    /// Name of the place.
    pub name: String,
    /// How many channels.
    pub channels: usize,
    /// Function between writers and readers.
    pub through: Through,
    /// All that is proportional to a channel.
    pub writers: Vec<Row>,
    /// All that reads it.
    pub readers: Vec<Reader>,
    /// Rows that must be zero, besides the readers, to leave the channel unread.
    pub others: Vec<Row>,
}

impl Path {
    fn new(name: String, channels: usize, through: Through) -> Self {
        Self { name, channels, through, writers: Vec::new(), readers: Vec::new(), others: Vec::new() }
    }

    fn writer_at(mut self, tensor: String, offset: usize) -> Self {
        self.writers.push(Row { tensor, offset });
        self
    }

    /// `layer.weight` and `layer.bias`.
    fn layer(self, layer: &str) -> Self {
        self.layer_at(layer, 0)
    }

    fn layer_at(self, layer: &str, offset: usize) -> Self {
        self.writer_at(format!("{layer}.weight"), offset).writer_at(format!("{layer}.bias"), offset)
    }

    fn columns(mut self, tensor: String, offset: usize, absorber: Option<(String, f64)>) -> Self {
        self.readers.push(Reader { tensor, offset, rows: false, absorber });
        self
    }

    fn depthwise(mut self, tensor: String) -> Self {
        self.readers.push(Reader { tensor, offset: 0, rows: true, absorber: None });
        self
    }

    /// Columns of `layer`, whose bias takes up constants.
    fn linear(self, layer: &str) -> Self {
        self.columns(format!("{layer}.weight"), 0, Some((format!("{layer}.bias"), -1.0)))
    }

    /// Columns of a 1x1 layer at `offset`, and the BatchNorm behind it, which takes up constants.
    fn normalised(self, layer: &str, offset: usize, norm: &str) -> Self {
        self.columns(format!("{layer}.weight"), offset, Some((format!("{norm}.running_mean"), 1.0)))
    }
}

/// Every path of `network`.
pub fn paths(network: &Network) -> Vec<Path> {
    let spec = &network.spec;
    let core = core_prefix(network.head);
    let stem = format!("{core}stem");
    let mut list = vec![Path::new("stem".into(), usize::from(spec.stem) / 2, Through::Relu).layer(&format!("{stem}.bn1")).columns(
        format!("{stem}.conv2.weight"),
        0,
        None,
    )];
    for module in 0..spec.modules() {
        let stage = format!("{core}features.{}", 2 * module + 1);
        for branch in 0..spec.branches(module) {
            for source in 0..spec.fusion_inputs(module).min(branch) {
                let term = format!("{core}features.{}.blocks.{branch}.{source}", 2 * module);
                let path = Path::new(format!("{term}.1"), spec.channels(source).into(), Through::Linear);
                list.push(path.layer(&format!("{term}.1")).linear(&format!("{term}.2")));
            }
            let embed = format!("{stage}.patch_embed.{branch}.proj");
            let path = Path::new(format!("{embed}.0"), spec.channels(branch).into(), Through::Linear);
            list.push(path.layer(&format!("{embed}.0")).depthwise(format!("{embed}.1.weight")));
            for block in 0..spec.block_count(module, branch) {
                block_paths(network, branch, &format!("{stage}.branches.{branch}.{block}"), &mut list);
            }
        }
    }
    let last = format!("{core}features.{}.norm", 2 * spec.modules() - 1);
    match network.head {
        Head::Segformer => segformer_paths(network, &last, &mut list),
        Head::Classifier => classifier_paths(network, &last, &mut list),
    }
    list
}

fn block_paths(network: &Network, branch: usize, block: &str, list: &mut Vec<Path>) {
    let channels = usize::from(network.spec.channels(branch));
    let hidden = usize::from(network.spec.hidden(branch));
    let [qkv, fc1, to_out] = ["attn.to_qkv", "ffn.fc1", "attn.to_out.0"].map(|part| format!("{block}.{part}"));
    for (norm, reader) in [("attn_norm", &qkv), ("ffn_norm", &fc1)] {
        let norm = format!("{block}.{norm}");
        list.push(Path::new(norm.clone(), channels, Through::Norm).layer(&norm).linear(reader));
    }
    let mut values = Path::new(format!("{qkv} (v)"), channels, Through::Other).layer_at(&qkv, channels).columns(format!("{to_out}.weight"), 0, None);
    values.others = ["weight", "bias"].map(|part| Row { tensor: format!("{qkv}.{part}"), offset: 0 }).into();
    list.push(values);
    let parallel = format!("{block}.attn.parallel_conv.1");
    list.push(Path::new(parallel.clone(), channels, Through::Other).layer(&parallel).columns(format!("{to_out}.weight"), 0, None));
    let half = hidden / 2;
    for (kernel, from, count) in [(3, 0, half), (5, half, hidden - half)] {
        let conv = format!("{block}.ffn.conv.conv_{kernel}");
        list.push(Path::new(format!("{fc1} to {kernel}x{kernel}"), count, Through::Linear).layer_at(&fc1, from).depthwise(format!("{conv}.weight")));
        list.push(Path::new(conv.clone(), count, Through::Other).layer(&conv).columns(format!("{block}.ffn.fc2.weight"), from, None));
    }
}

fn segformer_paths(network: &Network, last: &str, list: &mut Vec<Path>) {
    let width = usize::from(network.spec.head_width);
    let head = "decode_head";
    for branch in 0..BRANCHES {
        let (norm, conv) = (format!("{last}.{branch}"), format!("{head}.convs.{branch}.conv"));
        list.push(Path::new(norm.clone(), network.spec.channels(branch).into(), Through::Norm).layer(&norm).linear(&conv));
        let path = Path::new(conv.clone(), width, Through::Linear).layer(&conv);
        list.push(path.normalised(&format!("{head}.fusion_conv.conv"), branch * width, &format!("{head}.fusion_conv.bn")));
    }
    let bn = format!("{head}.fusion_conv.bn");
    list.push(Path::new(bn.clone(), width, Through::Relu).layer(&bn).columns(format!("{head}.conv_seg.weight"), 0, None));
}

fn classifier_paths(network: &Network, last: &str, list: &mut Vec<Path>) {
    for (branch, width) in CLASSIFIER_WIDTHS.map(usize::from).into_iter().enumerate() {
        let (norm, name) = (format!("{last}.{branch}"), format!("head.incre_modules.{branch}.0"));
        let [bn1, bn2, bn3, shortcut] = ["bn1", "bn2", "bn3", "downsample.1"].map(|part| format!("{name}.{part}"));
        let path = Path::new(norm.clone(), network.spec.channels(branch).into(), Through::Norm).layer(&norm);
        list.push(path.normalised(&format!("{name}.conv1"), 0, &bn1).normalised(&format!("{name}.downsample.0"), 0, &shortcut));
        list.push(Path::new(bn1.clone(), width, Through::Relu).layer(&bn1).columns(format!("{name}.conv2.weight"), 0, None));
        list.push(Path::new(bn2.clone(), width, Through::Relu).layer(&bn2).columns(format!("{name}.conv3.weight"), 0, None));
        let sum = Path::new(format!("{name} (sum)"), width * usize::from(BOTTLENECK_EXPANSION), Through::Relu).layer(&bn3).layer(&shortcut);
        let sum = if branch > 0 { sum.layer(&format!("head.downsamp_modules.{}.1", branch - 1)) } else { sum };
        let reader = if branch + 1 < BRANCHES { format!("head.downsamp_modules.{branch}.0") } else { "head.final_layer.0".into() };
        list.push(sum.columns(format!("{reader}.weight"), 0, None));
    }
    let path = Path::new("head.final_layer.1".into(), CLASSIFIER_FINAL.into(), Through::Relu).layer("head.final_layer.1");
    list.push(path.columns("head.classifier.weight".into(), 0, None));
}

/// Every BatchNorm of a network with tensors `names`, and the layer before it.
pub fn batch_norms<'a>(names: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    let norm = |name: &'a str| name.strip_suffix(".running_var");
    names.filter_map(norm).map(|norm| (norm.to_owned(), layer_before(norm))).collect()
}

fn layer_before(norm: &str) -> String {
    let (parent, last) = norm.rsplit_once('.').unwrap_or(("", norm));
    let layer = match (last, last.parse::<usize>()) {
        (_, Ok(number)) => (number - 1).to_string(),
        ("attn_bn", _) => "to_out.0".to_owned(),
        _ => last.replace("bn", "conv"),
    };
    format!("{parent}.{layer}")
}
