//! A profile per step and per kind of block, per frame.

use anyhow::{Context, Result, ensure};
use comfy_table::Table;
use hrvit_log::{Log, Run, Unit};
use serde::Serialize;

use crate::output::{grouped, table};

/// Cost of one step, or of all steps of a kind, per frame.
#[derive(Clone, Debug, Serialize)]
pub struct Cost {
    /// Name of the step or kind of block.
    pub name: String,
    /// How many steps.
    pub steps: usize,
    /// Units of one frame.
    pub ticks: f64,
    /// Milliseconds at the clock, if that is known.
    pub ms: Option<f64>,
    /// Part of all units, 0 to 1.
    pub share: f64,
    /// Multiply-accumulates of one frame.
    pub macs: u64,
    /// Multiply-accumulates per unit; none where there is nothing to multiply.
    pub macs_per_tick: Option<f64>,
}

/// A whole profile.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Hertz that times were computed with, if known.
    pub clock_hz: Option<f64>,
    /// All steps and what lies between them.
    pub frame: Cost,
    /// Kinds of block, the most expensive first.
    pub kinds: Vec<Cost>,
    /// Steps in order.
    pub steps: Vec<Cost>,
}

impl Summary {
    /// Sums up a log. `clock_hz` takes the place of the log's clock, for machines that count
    /// instructions or run at another clock later.
    ///
    /// # Errors
    /// If the log is no profile.
    pub fn of(log: &Log, clock_hz: Option<f64>) -> Result<Self> {
        let run = log.run.as_ref().context("the log has no `hrvit run` line")?;
        let total = log.total.as_ref().context("the log has no `hrvit total` line")?;
        ensure!(!log.steps.is_empty(), "the log has no steps: only the program `profile` measures them");
        ensure!(total.ticks > 0, "`hrvit total` has no {}: nothing was measured", run.unit);
        let clock_hz = clock_hz.or((run.clock_hz > 0).then_some(f64::from(run.clock_hz)));
        let cost = |name: &str, steps: usize, ticks: u64, macs: u64| {
            let frame_ticks = ticks as f64 / f64::from(run.frames);
            Cost {
                name: name.to_owned(),
                steps,
                ticks: frame_ticks,
                ms: clock_hz.map(|hertz| frame_ticks / hertz * 1e3),
                share: ticks as f64 / total.ticks as f64,
                macs,
                macs_per_tick: (macs > 0 && ticks > 0).then(|| macs as f64 / frame_ticks),
            }
        };
        let mut kinds: Vec<(&str, usize, u64, u64)> = Vec::new();
        for step in &log.steps {
            let at = kinds.iter().position(|(kind, ..)| *kind == step.kind).unwrap_or_else(|| {
                kinds.push((&step.kind, 0, 0, 0));
                kinds.len() - 1
            });
            let (_, steps, ticks, macs) = &mut kinds[at];
            (*steps, *ticks, *macs) = (*steps + 1, *ticks + step.ticks, *macs + step.macs);
        }
        kinds.sort_by_key(|(_, _, ticks, _)| std::cmp::Reverse(*ticks));
        Ok(Self {
            clock_hz,
            frame: cost("frame", log.steps.len(), total.ticks, total.macs),
            kinds: kinds.into_iter().map(|(kind, steps, ticks, macs)| cost(kind, steps, ticks, macs)).collect(),
            steps: log.steps.iter().map(|step| cost(&step.name, 1, step.ticks, step.macs)).collect(),
        })
    }

    /// Table of the kinds of block, the whole frame last.
    pub fn kind_table(&self, unit: Unit) -> Table {
        let mut table = self.header("kind of block", unit);
        self.kinds.iter().chain([&self.frame]).for_each(|cost| self.row(&mut table, cost));
        table
    }

    /// Table of the steps, the whole frame last.
    pub fn step_table(&self, unit: Unit) -> Table {
        let mut table = self.header("step", unit);
        self.steps.iter().chain([&self.frame]).for_each(|cost| self.row(&mut table, cost));
        table
    }

    fn header(&self, first: &str, unit: Unit) -> Table {
        let (per_frame, rate) = (format!("{unit} a frame"), format!("MAC per {}", singular(unit)));
        let mut header = vec![first, "steps", per_frame.as_str()];
        header.extend(self.clock_hz.map(|_| "ms"));
        header.extend(["share", "MACs", rate.as_str()]);
        table(&header, 1)
    }

    fn row(&self, table: &mut Table, cost: &Cost) {
        let mut cells = vec![cost.name.clone(), cost.steps.to_string(), grouped(cost.ticks.round() as u64)];
        cells.extend(cost.ms.map(|ms| format!("{ms:.3}")));
        let rate = cost.macs_per_tick.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.3}"));
        cells.extend([format!("{:.1} %", 100.0 * cost.share), grouped(cost.macs), rate]);
        table.add_row(cells);
    }
}

/// `instruction` of `instructions`.
pub fn singular(unit: Unit) -> String {
    unit.to_string().trim_end_matches('s').to_owned()
}

/// The program and its machine, in one line.
pub fn headline(run: &Run<String>) -> String {
    let clock = if run.clock_hz > 0 { format!(" at {} MHz", f64::from(run.clock_hz) / 1e6) } else { String::new() };
    format!(
        "{} {} on {}{clock}: {} frame(s), arena {} bytes, weights {}; one reading of the clock: {} {}",
        run.network,
        run.size,
        run.machine,
        run.frames,
        grouped(run.arena as u64),
        run.weights,
        run.probe,
        run.unit
    )
}

#[cfg(test)]
mod tests {
    use super::super::example::{PROFILE, edited};
    use super::*;

    #[test]
    fn ticks_are_per_frame_and_shares_of_the_total() {
        let log = Log::parse(PROFILE.lines()).unwrap();
        let summary = Summary::of(&log, Some(1e6)).unwrap();
        let stem = &summary.kinds[0];
        assert_eq!((stem.name.as_str(), stem.ticks, stem.ms, stem.macs_per_tick), ("Stem", 1500.0, Some(1.5), Some(4.0)));
        assert!((stem.share - 3000.0 / 4100.0).abs() < 1e-12);
        assert_eq!(summary.frame.ticks, 2050.0);
    }

    #[test]
    fn without_a_clock_there_are_no_times() {
        assert!(Summary::of(&Log::parse(PROFILE.lines()).unwrap(), None).unwrap().frame.ms.is_none());
        assert_eq!(Summary::of(&edited("clock_hz=0", "clock_hz=2050").unwrap(), None).unwrap().frame.ms, Some(1000.0));
    }

    #[test]
    fn steps_of_a_kind_are_added() {
        let summary = Summary::of(&edited("kind=Stem", "kind=MixCfn").unwrap(), None).unwrap();
        assert_eq!((summary.kinds.len(), summary.kinds[0].steps, summary.kinds[0].macs), (1, 2, 6500));
    }
}
