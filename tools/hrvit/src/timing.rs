//! How long each step of a run takes.

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hrvit_core::{Observer, StepInfo};

/// Time of one run by step. A step that lies inside another one is counted by itself, not for the
/// outer one.
#[derive(Debug, Default)]
pub struct StepTimes(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    inside: Vec<usize>,
    last: Option<Instant>,
    times: Vec<Duration>,
}

impl State {
    /// The time since the last event goes to the innermost step.
    fn advance(&mut self) {
        let now = Instant::now();
        if let (Some(&step), Some(last)) = (self.inside.last(), self.last) {
            if self.times.len() <= step {
                self.times.resize(step + 1, Duration::ZERO);
            }
            self.times[step] += now - last;
        }
        self.last = Some(now);
    }
}

impl StepTimes {
    /// Time of every step in canonical order; steps at the end that never ran are missing.
    pub fn into_times(self) -> Vec<Duration> {
        self.0.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).times
    }

    fn with(&self, event: impl FnOnce(&mut State)) {
        let mut state = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.advance();
        event(&mut state);
    }
}

impl Observer for StepTimes {
    fn enter(&self, step: StepInfo) -> ControlFlow<()> {
        self.with(|state| state.inside.push(step.id.0.into()));
        ControlFlow::Continue(())
    }

    fn leave(&self, _: StepInfo) {
        self.with(|state| {
            state.inside.pop();
        });
    }
}

/// The middle one of `times`, and the least; zero of none.
pub fn median_and_least(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    let at = |index: usize| times.get(index).copied().unwrap_or_default();
    (at(times.len() / 2), at(0))
}

#[cfg(test)]
mod tests {
    use hrvit_core::{Step, StepId};

    use super::*;

    #[test]
    fn an_inner_step_is_not_counted_for_the_outer_one() {
        let times = StepTimes::default();
        let info = |id| StepInfo { id: StepId(id), step: Step::Stem, macs: 0 };
        assert!(times.enter(info(0)).is_continue() && times.enter(info(1)).is_continue());
        std::thread::sleep(Duration::from_millis(20));
        times.leave(info(1));
        times.leave(info(0));
        let times = times.into_times();
        assert!(times[1] >= Duration::from_millis(20) && times[0] < times[1], "{times:?}");
    }

    #[test]
    fn the_median_is_the_middle_one() {
        let times = [5, 1, 9].map(Duration::from_millis).to_vec();
        assert_eq!(median_and_least(times), (Duration::from_millis(5), Duration::from_millis(1)));
        assert_eq!(median_and_least(Vec::new()), (Duration::ZERO, Duration::ZERO));
    }
}
