//! Bytes as a device's log.
//!
//! | module | what it holds |
//! |---|---|
//! | [`lines`] | every line that can be read is written and read again |
//! | [`written`] | a valid log with changed lines and numbers |
//! | [`stream`] | a program's strings, and what it writes, changed |

mod lines;
mod stream;
mod written;

use hrvit_log::{Log, MadeFault, Unit};
use hrvit_tool::profile::compare::{change_table, changes};
use hrvit_tool::profile::summary::{Summary, headline};
use hrvit_tool::profile::{bars, trace};

use crate::{Choices, Verdict};

/// Up to how many steps a profile is drawn.
const FEW_STEPS: usize = 200;

/// Reads a log, and shows it in every way that there is.
pub fn log(data: &[u8]) -> Verdict {
    let mut choices = Choices::new(data);
    let clock = choices.pick(&[None, Some(1.0), Some(6e8), Some(f64::MIN_POSITIVE), Some(f64::MAX)]);
    let drawn = choices.u8().is_multiple_of(4);
    let text = match choices.below(8) {
        1 => String::from_utf8_lossy(choices.rest()).into_owned(),
        2 => stream::decoded(&mut choices),
        _ => written::text(&mut choices),
    };
    text.lines().for_each(lines::check);
    match Log::parse(text.lines()) {
        Ok(log) => {
            check(&log, clock, drawn);
            Verdict::Accepted
        }
        Err(error) => {
            assert!(!error.to_string().is_empty(), "an error without words");
            Verdict::Refused
        }
    }
}

/// Writes a log in both forms and shows it.
fn check(log: &Log, clock: Option<f64>, drawn: bool) {
    assert_eq!(log.check(), Ok(()), "a log that was read");
    let again = Log::parse(again(log).iter().map(String::as_str));
    assert_eq!(again.as_ref(), Ok(log), "another log after writing its lines and reading them");
    let json = serde_json::to_string(log).unwrap_or_else(|error| panic!("{error}"));
    let again: Log = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{json}: {error}"));
    assert_eq!(&again, log, "another log after writing JSON and reading it");
    if let Some(run) = &log.run {
        assert!(!headline(run).is_empty());
    }
    let profile = log.run.is_some() && log.total.is_some() && !log.steps.is_empty();
    let summary = Summary::of(log, clock);
    assert_eq!(summary.is_ok(), profile, "a profile has a run, steps and a total: {summary:?}");
    if let Ok(summary) = summary {
        show(log, &summary, clock, drawn);
    }
}

/// Tables, pictures, traces and comparisons of a profile.
fn show(log: &Log, summary: &Summary, clock: Option<f64>, drawn: bool) {
    let costs = || summary.kinds.iter().chain(&summary.steps).chain([&summary.frame]);
    for cost in costs() {
        assert!(cost.ticks.is_finite() && (0.0..=1.0 + 1e-9).contains(&cost.share), "{cost:?}");
        assert!(cost.macs_per_tick.is_none_or(f64::is_finite), "{cost:?}");
    }
    if log.steps.len() > FEW_STEPS {
        return;
    }
    let unit = log.run.as_ref().map_or(Unit::Ticks, |run| run.unit);
    for table in [summary.kind_table(unit), summary.step_table(unit)] {
        assert!(table.to_string().contains("frame"));
    }
    if drawn {
        let picture = bars::draw(log, clock).unwrap_or_else(|error| panic!("{error:#}"));
        assert!(picture.contains("</svg>") && !picture.contains("NaN"), "{picture}");
    }
    let trace = trace::trace(log, clock).unwrap_or_else(|error| panic!("{error:#}"));
    let slices = trace["traceEvents"].as_array().map_or(0, Vec::len);
    assert_eq!(slices, log.steps.len() + 1, "{trace}");
    for changes in [changes(log, log), changes(&written::profile(), log), changes(log, &written::profile())].into_iter().flatten() {
        assert!(change_table(&changes).to_string().contains("frame"));
    }
}

/// The lines of a log.
fn again(log: &Log) -> Vec<String> {
    let Log { run, steps, total, spreads, latency, frames, drift, selftest, conformance, faults, faults_passed, error, text, end } = log;
    let mut lines = text.clone();
    // A program's own error before faults: the first one after a fault is what that fault ended in.
    lines.extend(error.iter().map(ToString::to_string));
    lines.extend(run.iter().map(ToString::to_string));
    lines.extend(steps.iter().map(ToString::to_string));
    lines.extend(total.iter().map(ToString::to_string));
    lines.extend(spreads.iter().map(ToString::to_string));
    lines.extend(latency.iter().map(ToString::to_string));
    lines.extend(frames.iter().map(ToString::to_string));
    lines.extend(drift.iter().map(ToString::to_string));
    lines.extend(selftest.iter().map(lines::selftest));
    lines.extend(conformance.iter().map(ToString::to_string));
    for MadeFault { fault, error } in faults {
        lines.push(fault.to_string());
        lines.extend(error.iter().map(ToString::to_string));
    }
    lines.extend(faults_passed.iter().map(|&cases| hrvit_log::FaultsPassed { cases }.to_string()));
    lines.extend(end.iter().map(|&code| hrvit_log::End { code }.to_string()));
    lines
}

#[cfg(test)]
mod tests {
    use hrvit_tests::rng::Rng;

    use super::*;

    fn accepted(mode: u8, inputs: usize) -> usize {
        let mut rng = Rng::new(1);
        let mut bytes = |len| (0..rng.int(0, len)).map(|_| rng.bits() as u8).collect::<Vec<_>>();
        (0..inputs).filter(|_| log(&[&[0, 0, mode], bytes(120).as_slice()].concat()) == Verdict::Accepted).count()
    }

    #[test]
    fn without_choices_it_is_a_profile() {
        assert_eq!(log(&[]), Verdict::Accepted);
        assert!(Summary::of(&written::profile(), None).is_ok());
    }

    #[test]
    fn changed_logs_are_read_or_refused() {
        let accepted = accepted(0, 1000);
        assert!((150..900).contains(&accepted), "{accepted} of 1000");
    }

    #[test]
    fn streams_of_a_program_are_read_or_refused() {
        let accepted = accepted(2, 1000);
        assert!((100..950).contains(&accepted), "{accepted} of 1000");
    }

    #[test]
    fn raw_text_is_read() {
        let text = written::text(&mut Choices::new(&[]));
        assert_eq!(log(&[&[0, 0, 1], text.as_bytes()].concat()), Verdict::Accepted);
        assert_eq!(log(&[0, 0, 1, 0xff, b'\n', 0]), Verdict::Refused);
    }
}
