//! A network as a list of operators with shapes: its parameters, MACs and largest tensor.
//!
//! MACs are convolutions, linear layers and the two products of attention. Biases, norms,
//! activations, softmax and resizes count none.

use hrvit_format::Size;
use serde::{Serialize, Serializer};

/// Rows and columns of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Rows.
    pub rows: u64,
    /// Columns.
    pub columns: u64,
}

impl Extent {
    /// One position, as of a pooled map.
    pub const POINT: Self = Self { rows: 1, columns: 1 };

    /// The map of a branch (stage): 1/4, 1/8, 1/16, 1/32 of the input.
    pub fn of_branch(size: Size, branch: usize) -> Self {
        let (rows, columns) = size.map(branch);
        Self { rows: rows as u64, columns: columns as u64 }
    }

    /// Positions.
    pub fn tokens(self) -> u64 {
        self.rows * self.columns
    }

    /// Rows and columns exchanged.
    pub fn turned(self) -> Self {
        Self { rows: self.columns, columns: self.rows }
    }

    /// Both sides divided by `by`.
    pub fn over(self, by: u64) -> Self {
        Self { rows: self.rows / by, columns: self.columns / by }
    }

    /// Both sides multiplied by `by`.
    pub fn times(self, by: u64) -> Self {
        Self { rows: self.rows * by, columns: self.columns * by }
    }
}

/// Weights of a convolution or linear layer.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    inputs: u64,
    outputs: u64,
    side: u64,
    bias: bool,
}

impl Filter {
    /// A dense convolution with a kernel of `side` x `side`; 1 is a linear layer.
    pub fn dense(inputs: u64, outputs: u64, side: u64) -> Self {
        Self { inputs, outputs, side, bias: true }
    }

    /// One kernel a channel.
    pub fn depthwise(channels: u64, side: u64) -> Self {
        Self { inputs: 1, outputs: channels, side, bias: true }
    }

    /// Without biases.
    pub fn unbiased(self) -> Self {
        Self { bias: false, ..self }
    }

    fn weights(self) -> u64 {
        self.inputs * self.outputs * self.side * self.side
    }
}

/// Query-key pairs of one head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pairs {
    /// Over tokens of the map.
    pub real: u64,
    /// Over whole windows, the last of which reaches past the map.
    pub padded: u64,
}

impl Pairs {
    /// Every query with every key.
    pub fn all(queries: Extent, keys: Extent) -> Self {
        let pairs = queries.tokens() * keys.tokens();
        Self { real: pairs, padded: pairs }
    }

    /// Inside horizontal strips of `window` full rows.
    pub fn strips(map: Extent, window: u64) -> Self {
        let strip = |rows: u64| (rows * map.columns).pow(2);
        let (whole, rest) = (map.rows / window, map.rows % window);
        Self { real: whole * strip(window) + strip(rest), padded: map.rows.div_ceil(window) * strip(window) }
    }
}

/// A way to count MACs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Counter {
    /// Layers and both products of attention.
    BothProducts,
    /// Layers and one of the two products of attention, over whole windows.
    OneProduct,
}

/// A part of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Makes the features.
    Backbone,
    /// Makes logits of them.
    Head,
}

/// The origin of an operator's MACs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Layer,
    /// A layer that head folding leaves nothing of.
    Folded,
    /// q·k, or p·v.
    Product,
}

#[derive(Clone, Copy, Debug)]
struct Operator {
    name: &'static str,
    part: Part,
    kind: Kind,
    params: u64,
    macs: u64,
    /// Over whole windows.
    padded_macs: u64,
    /// Values that it writes.
    values: u64,
}

/// The operators of a network.
#[derive(Clone, Debug)]
pub struct Operators {
    list: Vec<Operator>,
    part: Part,
}

impl Default for Operators {
    fn default() -> Self {
        Self { list: Vec::new(), part: Part::Backbone }
    }
}

impl Operators {
    fn add(&mut self, name: &'static str, kind: Kind, (params, macs, padded_macs): (u64, u64, u64), values: u64) {
        self.list.push(Operator { name, part: self.part, kind, params, macs, padded_macs, values });
    }

    /// Begins the head: all that follows belongs to it.
    pub fn begin_head(&mut self) {
        self.part = Part::Head;
    }

    /// A convolution or linear layer that writes maps of `out`.
    pub fn layer(&mut self, name: &'static str, filter: Filter, out: Extent) {
        self.filtered(name, Kind::Layer, filter, out);
    }

    /// A layer as trained that head folding leaves nothing of.
    pub fn folded_layer(&mut self, name: &'static str, filter: Filter, out: Extent) {
        self.filtered(name, Kind::Folded, filter, out);
    }

    fn filtered(&mut self, name: &'static str, kind: Kind, filter: Filter, out: Extent) {
        let weights = filter.weights();
        let macs = weights * out.tokens();
        let params = weights + if filter.bias { filter.outputs } else { 0 };
        self.add(name, kind, (params, macs, macs), filter.outputs * out.tokens());
    }

    /// The affine part of a LayerNorm or BatchNorm.
    pub fn norm(&mut self, channels: u64) {
        self.add("norm", Kind::Layer, (2 * channels, 0, 0), 0);
    }

    /// A map that layers leave side by side.
    pub fn concat(&mut self, name: &'static str, channels: u64, map: Extent) {
        self.add(name, Kind::Layer, (0, 0, 0), channels * map.tokens());
    }

    /// q·k and p·v of `heads` heads that share `channels`.
    pub fn attention(&mut self, pairs: Pairs, heads: u64, channels: u64, map: Extent) {
        let (real, padded) = (pairs.real * channels, pairs.padded * channels);
        self.add("attention scores", Kind::Product, (0, real, padded), pairs.real * heads);
        self.add("attention sums", Kind::Product, (0, real, padded), channels * map.tokens());
    }

    /// The sums.
    pub fn price(&self) -> Price {
        let sum = |count: fn(&Operator) -> u64| self.list.iter().map(count).sum::<u64>();
        let largest = |parts: &[Part]| {
            let operators = self.list.iter().filter(|operator| parts.contains(&operator.part));
            operators.fold(Largest { operator: "", values: 0 }, |most, operator| {
                if operator.values > most.values { Largest { operator: operator.name, values: operator.values } } else { most }
            })
        };
        Price {
            params: sum(|operator| operator.params),
            macs: sum(|operator| operator.macs),
            macs_folded: sum(|operator| if operator.kind == Kind::Folded { 0 } else { operator.macs }),
            // Both products have as many.
            macs_one_product: sum(|operator| if operator.kind == Kind::Product { operator.padded_macs / 2 } else { operator.macs }),
            largest: largest(&[Part::Backbone, Part::Head]),
            largest_in_backbone: largest(&[Part::Backbone]),
        }
    }
}

/// The tensor with the most values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Largest {
    /// The operator that writes it.
    pub operator: &'static str,
    /// Its values; bytes in int8.
    pub values: u64,
}

/// Cost of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Price {
    /// Learnt values.
    pub params: u64,
    /// MACs of one frame as trained, both products of attention over real keys.
    pub macs: u64,
    /// The same after head folding, the one exact rewrite that saves MACs.
    pub macs_folded: u64,
    /// MACs with one of the two products of attention, over whole windows.
    pub macs_one_product: u64,
    /// Of the whole network, tensors stored whole.
    pub largest: Largest,
    /// Of the backbone.
    pub largest_in_backbone: Largest,
}

impl Price {
    /// MACs as `counter` counts them.
    pub fn counted(&self, counter: Counter) -> u64 {
        match counter {
            Counter::BothProducts => self.macs,
            Counter::OneProduct => self.macs_one_product,
        }
    }
}

/// A percentage with two decimals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percent(pub f64);

impl Percent {
    /// Distance of `value` from `reference`.
    pub fn off(value: f64, reference: f64) -> Self {
        Self(100.0 * (value / reference - 1.0))
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64((100.0 * self.0).round() / 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_count_real_tokens_and_whole_windows() {
        let map = Extent { rows: 16, columns: 5 };
        assert_eq!(Pairs::strips(map, 7), Pairs { real: 2 * 35 * 35 + 10 * 10, padded: 3 * 35 * 35 });
        assert_eq!(Pairs::strips(map, 16), Pairs::all(map, map));
        assert_eq!(Pairs::strips(map.turned(), 5), Pairs { real: 80 * 80, padded: 80 * 80 });
    }

    #[test]
    fn a_price_is_the_sum_of_its_operators() {
        let map = Extent { rows: 4, columns: 3 };
        let mut operators = Operators::default();
        operators.layer("conv", Filter::dense(3, 8, 3), map);
        operators.norm(8);
        operators.attention(Pairs { real: 10, padded: 12 }, 2, 8, map);
        operators.begin_head();
        operators.folded_layer("fuse", Filter::dense(8, 20, 1).unbiased(), map);
        let price = operators.price();
        assert_eq!(price.params, (3 * 8 * 9 + 8) + 16 + 160);
        assert_eq!((price.macs, price.macs_folded), (216 * 12 + 160 + 160 * 12, 216 * 12 + 160));
        assert_eq!(price.counted(Counter::OneProduct), 216 * 12 + 96 + 160 * 12);
        assert_eq!((price.largest.operator, price.largest.values), ("fuse", 240));
        assert_eq!((price.largest_in_backbone.operator, price.largest_in_backbone.values), ("conv", 96));
    }
}
