//! Multiply-accumulates that several workers do more than once.

use hrvit_format::{BRANCHES, Between, Step};
use hrvit_kernels::phase;

use super::memory::Plan;
use crate::rows::RowBlocks;

/// Multiply-accumulates of one frame that are done more than once: neighbouring blocks of rows need
/// each other's border rows. 0 with one worker.
pub fn recomputed_macs(plan: &Plan) -> u64 {
    plan.network().steps().map(|step| recomputed_step(plan, step)).sum()
}

fn recomputed_step(plan: &Plan, step: Step) -> u64 {
    let (network, size, workers) = (plan.network(), plan.size(), plan.workers());
    let spec = &network.spec;
    let borders = |lines: usize, align: usize| (RowBlocks::new(lines, workers, align).jobs() - 1) as u64;
    // A dense embedding keeps rows of its input.
    let pointwise = |weights: usize| if spec.ablation().dense_embedding { 0 } else { weights };
    let row_macs = |columns: usize, weights: usize| (columns * weights) as u64;
    match step {
        Step::Stem => {
            let (rows, columns) = size.map(0);
            let (stem, half) = (usize::from(spec.stem), usize::from(spec.stem) / 2);
            // Two rows of the embedding's input, for which two rows of the second and five of the
            // first convolution.
            let each = 2 * row_macs(columns, pointwise(stem * usize::from(spec.channels(0))))
                + 2 * row_macs(columns, 9 * half * stem)
                + 5 * row_macs(2 * columns, 27 * half);
            borders(rows, 1) * each
        }
        Step::PatchEmbed { module, branch } => {
            let (rows, columns) = size.map(branch.into());
            let weights = usize::from(spec.fused_channels(module.into(), branch.into())) * usize::from(spec.channels(branch.into()));
            borders(rows, 1) * 2 * row_macs(columns, pointwise(weights))
        }
        Step::Attention { branch, .. } => {
            let (rows, columns) = size.map(branch.into());
            let (channels, window) = (usize::from(spec.channels(branch.into())), spec.window(branch.into()));
            let v_weights = channels * channels / 2;
            let strip_borders = |lines: usize| (RowBlocks::strips(lines, window, workers).jobs() - 1) as u64;
            2 * (strip_borders(rows) * row_macs(columns, v_weights) + strip_borders(columns) * row_macs(rows, v_weights))
        }
        // Nothing looks beyond a row.
        Step::MixCfn { .. } if spec.ablation().between == Between::Nothing => 0,
        Step::MixCfn { branch, .. } => {
            let (rows, columns) = size.map(branch.into());
            let weights = usize::from(spec.channels(branch.into())) * usize::from(spec.hidden(branch.into()));
            borders(rows, 2) * 4 * row_macs(columns, weights)
        }
        Step::Logits => (1..BRANCHES)
            .map(|branch| {
                let (rows, columns) = size.map(branch);
                let made = head_rows(size.map(0).0, 1 << branch, rows, workers);
                (made - rows) as u64 * row_macs(columns, usize::from(spec.channels(branch)) * usize::from(spec.head_width))
            })
            .sum(),
        _ => 0,
    }
}

/// Rows of a term of the SegFormer head that `workers` make. They take the `rows_out` rows of
/// logits in turn, and each holds the last two.
fn head_rows(rows_out: usize, factor: usize, rows: usize, workers: usize) -> usize {
    let mut made = 0;
    for worker in 0..workers {
        let mut held = [None; 2];
        for y in (worker..rows_out).step_by(workers) {
            let at = phase(y, factor, rows);
            for source in [at.near, at.far] {
                if let Some(slot) = held.get_mut(source % 2).filter(|slot| **slot != Some(source)) {
                    *slot = Some(source);
                    made += 1;
                }
            }
        }
    }
    made
}
