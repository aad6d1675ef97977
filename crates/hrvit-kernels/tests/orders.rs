//! Every emulated order against an instruction set of this machine that has it.

#![cfg(feature = "orders")]

use hrvit_kernels::conformance::{Case, SCRATCH, same};
use hrvit_kernels::{Family, Isa, Kernels, Order};

/// The order of an instruction set.
fn order_of(isa: Isa) -> Order {
    match isa {
        Isa::Scalar | Isa::Dsp => Order::Scalar,
        Isa::Mve => Order::Mve,
        Isa::Neon | Isa::NeonDotprod | Isa::NeonI8mm => Order::Neon,
        // Those of x86-64.
        _ => Order::Avx2,
    }
}

/// The cases in which `order` is not what `isa` computes.
fn differing(order: Order, isa: Isa) -> Vec<Case> {
    let mut failures = Vec::new();
    let mut scratch = vec![0; SCRATCH];
    // Labels of infinities are any bytes.
    let mut keep = |case: Case| failures.extend(case.outcome.err().filter(|_| !case.name.ends_with("of infinities")).map(|_| case));
    let summary = same(Kernels::in_order(order), Kernels::new(isa).unwrap(), ROUNDS, &mut scratch, &mut keep);
    assert!(summary.cases > 3000);
    failures
}

/// Rounds of the suite: enough for every family that sums in an order of its own to differ
/// somewhere.
const ROUNDS: u32 = 8;

#[test]
fn an_emulated_order_has_the_values_of_its_instruction_sets() {
    for isa in Isa::available() {
        let failures = differing(order_of(isa), isa);
        assert!(failures.is_empty(), "{isa}: {} cases, the first: {:#?}", failures.len(), &failures[..failures.len().min(8)]);
    }
}

#[test]
fn orders_differ_where_kernels_do() {
    for order in Order::ALL.into_iter().skip(1) {
        let families: std::collections::HashSet<Family> = differing(order, Isa::Scalar).iter().map(|case| case.family).collect();
        assert!(families.contains(&Family::LayerNormF16) && families.contains(&Family::AttentionF16), "{}: {families:?}", order.name());
        assert!(families.iter().all(|family| family.name().ends_with("_f16")), "{}: {families:?}", order.name());
    }
}
