//! Upper bounds for buffers of streamed images, which are planned without an image at hand.

use hrvit_format::{
    Head, MAX_TABLE, Network, START_BYTES, Step, WideParts,
    record::{ALIGN, Arrays, EXP_ENTRIES, OpRecord, Packing, Precision, StepRecord},
};

/// Room for the descriptive header: texts, and per class a name and a colour.
const META_BYTES: usize = 2048;
const CLASS_BYTES: usize = 32;

/// Bytes of the largest set of weight groups that are used together, in any packing and with tables
/// of any length. The parts `wide` may be in half precision or 16-bit activations; a block of them
/// need not be.
pub fn largest_group(network: &Network, wide: WideParts) -> usize {
    let group = |step: Step| {
        let largest = |op| {
            let int8 = Packing::ALL.map(|packing| Arrays::of(op, Precision::Int8, packing));
            let wider = [Precision::Fp16, Precision::Int16x8].into_iter().filter(|precision| wide.of(*precision).contains(network, step));
            let wider = wider.map(|precision| Arrays::of(op, precision, Packing::Rows));
            int8.into_iter().chain(wider).map(|arrays| arrays_bytes(&arrays)).max().unwrap_or(0)
        };
        network.ops(step).iter().map(largest).sum::<usize>()
    };
    let in_head = || network.steps().filter(|step| step.in_head());
    let together = if network.head == Head::Classifier { in_head().map(|step| group(step).next_multiple_of(ALIGN)).sum() } else { 0 };
    network.steps().map(group).max().unwrap_or(0).max(together).next_multiple_of(ALIGN)
}

/// Bytes of one operator's arrays and of the padding before each.
fn arrays_bytes(arrays: &Arrays) -> usize {
    let words = 4 * (arrays.bias + arrays.mult + arrays.three);
    let weights = if arrays.weights > 0 { arrays.weights + ALIGN } else { 0 };
    weights + words + arrays.shift.next_multiple_of(4) + arrays.table_entry * MAX_TABLE as usize + 4
}

/// Bytes of the image before its weights.
pub fn head_bytes(network: &Network) -> usize {
    let ops: usize = network.steps().map(|step| network.ops(step).len()).sum();
    let meta = META_BYTES + CLASS_BYTES * usize::from(network.classes);
    let sections = [START_BYTES, meta, network.steps().count() * size_of::<StepRecord>(), ops * size_of::<OpRecord>(), EXP_ENTRIES * size_of::<u16>()];
    sections.iter().map(|bytes| bytes.next_multiple_of(ALIGN)).sum()
}
