//! Loops that may take more instructions than others would, because they take fewer cycles on their
//! core.

use std::collections::BTreeMap;

use super::Counts;
use super::table::FRAME;
use crate::tables::grouped;

/// A processor that executes in order and is counted beside another with the same instruction set
/// that does not.
struct Excused {
    processor: &'static str,
    beside: &'static str,
    /// The loop whose instructions are excused, as `cargo xtask mca` names it.
    name: &'static str,
    /// Most percent that a step may take more than beside.
    percent: u64,
    /// Cycles that it saves, by `cargo xtask mca`.
    reason: &'static str,
}

/// Every excuse. A processor in no line has none.
const EXCUSED: [Excused; 2] = [
    Excused {
        processor: "a53",
        beside: "a72",
        name: "gemm_s8::neon_in_order::sixteen_steps",
        percent: 9,
        reason: "115 instructions instead of 106 for 512 products, in 118 cycles instead of 173",
    },
    Excused {
        processor: "a55",
        beside: "a76",
        name: "gemm_s8::neon_dotprod_in_order::sixteen_steps",
        percent: 34,
        reason: "107 instructions instead of 76 for 1024 products, in 76 cycles instead of 127",
    },
];

/// Prints what is excused of the frames that were counted on both processors; returns the steps
/// that take more than that.
pub fn check(measured: &[Counts]) -> Vec<String> {
    let of = |name: &str| measured.iter().find(|counts| counts.processor == name);
    let mut complaints = Vec::new();
    for Excused { processor, beside, name, percent, reason } in &EXCUSED {
        let (Some(counts), Some(other)) = (of(processor), of(beside)) else { continue };
        let others: BTreeMap<&str, u64> = other.steps.iter().map(|(step, count)| (step.as_str(), *count)).collect();
        for (step, count) in &counts.steps {
            let Some(less) = others.get(step.as_str()).copied() else { continue };
            let more = 100.0 * (*count as f64 / less.max(1) as f64 - 1.0);
            if step == FRAME {
                println!("{processor}: {more:.1} % more instructions than {beside}, excused by {name}: {reason}");
            }
            if count * 100 > less * (100 + percent) {
                let (count, less) = (grouped(*count), grouped(less));
                complaints
                    .push(format!("{processor}: {step} takes {count} instructions, {less} on {beside}: {more:.1} % more, of which {name} excuses {percent} %"));
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::table::tests::counts;

    #[test]
    fn a_step_over_its_excuse_fails_by_name() {
        assert_eq!(check(&[counts("a53", &[("stem", 109), (FRAME, 109)]), counts("a72", &[("stem", 100), (FRAME, 100)])]), [] as [String; 0]);
        let complaints = check(&[counts("a53", &[("stem", 110), (FRAME, 109)]), counts("a72", &[("stem", 100), (FRAME, 100)])]);
        assert!(complaints[0].starts_with("a53: stem takes 110 instructions, 100 on a72: 10.0 % more"), "{complaints:?}");
    }

    #[test]
    fn one_processor_alone_has_nothing_to_be_compared_with() {
        assert_eq!(check(&[counts("a53", &[("stem", 200)]), counts("max", &[("stem", 1)])]), [] as [String; 0]);
    }
}
