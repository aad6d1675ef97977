//! Checks that model, plan, executor, kernels and arena fit each other.

#[cfg(any(feature = "fp16", feature = "int16x8"))]
use hrvit_format::Precision;
use hrvit_format::{ModelHead, Step};
use hrvit_kernels::{Isa, Kernels, contract};

use crate::{arena::ALIGN, blocks::attention, error::SetupError, plan::Plan};

#[inline(never)] // one for all sources
pub fn check(model: &ModelHead<'_>, plan: &Plan, workers: usize, buffer_bytes: usize, kernels: Kernels, arena: &[u8]) -> Result<(), SetupError> {
    plan.check_model(model)?;
    if workers != plan.workers() {
        return Err(SetupError::Workers { planned: plan.workers(), found: workers });
    }
    if buffer_bytes > plan.weight_buffer_bytes() {
        return Err(SetupError::WeightBuffer { needed: buffer_bytes, found: plan.weight_buffer_bytes() });
    }
    let (packing, fast) = (model.packing(), kernels.packing());
    if packing != fast && kernels.isa() != Isa::Scalar && kernels.chosen_gemm(packing) == Isa::Scalar.name() {
        return Err(SetupError::PackingNeeds { packing, isa: kernels.isa(), fast });
    }
    if !arena.as_ptr().addr().is_multiple_of(ALIGN) {
        return Err(SetupError::ArenaMisaligned);
    }
    if arena.len() < plan.arena_bytes() {
        return Err(SetupError::ArenaTooSmall { needed: plan.arena_bytes(), found: arena.len() });
    }
    Ok(())
}

impl Plan {
    /// Checks that an engine can run `model` (or the head of one) by this plan, before there is an
    /// arena.
    ///
    /// # Errors
    /// If the plan was made for another network or other precisions. If its size gives attention
    /// strips more keys than the model was quantised for.
    pub fn check_model(&self, model: &ModelHead<'_>) -> Result<(), SetupError> {
        if model.meta().network != *self.network() {
            return Err(SetupError::OtherNetwork);
        }
        if !self.precisions().covers(model.wide_parts()) {
            return Err(SetupError::Precision);
        }
        check_keys(model, self)
    }
}

/// The longest strip at the plan's size against the exponent codes of every attention step.
fn check_keys(model: &ModelHead<'_>, plan: &Plan) -> Result<(), SetupError> {
    for (id, step) in model.step_ids() {
        let Step::Attention { branch, .. } = step else { continue };
        let keys = attention::longest_strip(&plan.geometry_of(step), branch.into());
        let bits = model.records().params(id, &[]).and_then(|params| params.ops.iter().map(|op| op.code_bits).max()).unwrap_or(0);
        let most = match model.precision(id) {
            #[cfg(feature = "int16x8")]
            Precision::Int16x8 => contract::MAX_KEYS_S16,
            #[cfg(feature = "fp16")]
            Precision::Fp16 => contract::MAX_KEYS_F16,
            _ => contract::max_keys(bits).unwrap_or(0),
        };
        if keys > most {
            return Err(SetupError::Keys { step: id, keys, most });
        }
    }
    Ok(())
}
