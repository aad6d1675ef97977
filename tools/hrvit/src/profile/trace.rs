//! A profile as a Chrome trace: one slice per step, one after another, for
//! <https://ui.perfetto.dev> or `chrome://tracing`.

use anyhow::{Context, Result};
use hrvit_log::Log;
use serde_json::{Value, json};

use super::summary::Summary;

/// The trace events of one frame. Without a known clock, one unit is drawn as one nanosecond; the
/// document says so.
///
/// # Errors
/// If the log is no profile.
pub fn trace(log: &Log, clock_hz: Option<f64>) -> Result<Value> {
    let run = log.run.as_ref().context("the log has no `hrvit run` line")?;
    let summary = Summary::of(log, clock_hz)?;
    let hertz = summary.clock_hz.unwrap_or(1e9);
    let micros = |ticks: f64| ticks / hertz * 1e6;
    let title = format!("{} {} on {}", run.network, run.size, run.machine);
    let mut events = vec![json!({ "name": "process_name", "ph": "M", "pid": 1, "args": { "name": title } })];
    let mut start = 0.0;
    for (line, cost) in log.steps.iter().zip(&summary.steps) {
        events.push(json!({
            "name": cost.name, "cat": line.kind, "ph": "X", "pid": 1, "tid": 1, "ts": micros(start), "dur": micros(cost.ticks),
            "args": { "id": line.id, "kind": line.kind, run.unit.to_string(): cost.ticks, "macs": cost.macs, "macs_per_tick": cost.macs_per_tick },
        }));
        start += cost.ticks;
    }
    let scale = summary.clock_hz.map_or_else(|| format!("1 ns drawn = 1 of {}", run.unit), |hertz| format!("{hertz} Hz"));
    Ok(json!({ "traceEvents": events, "displayTimeUnit": "ns", "otherData": { "unit": run.unit, "scale": scale } }))
}

#[cfg(test)]
mod tests {
    use super::super::example::PROFILE;
    use super::*;

    #[test]
    fn slices_follow_one_another_without_gaps() {
        let log = Log::parse(PROFILE.lines()).unwrap();
        let document = trace(&log, Some(1e6)).unwrap();
        let slices: Vec<&Value> = document["traceEvents"].as_array().unwrap().iter().filter(|event| event["ph"] == "X").collect();
        assert_eq!((slices[0]["ts"].as_f64(), slices[0]["dur"].as_f64()), (Some(0.0), Some(1500.0)));
        assert_eq!((slices[1]["ts"].as_f64(), slices[1]["dur"].as_f64()), (Some(1500.0), Some(500.0)));
        assert_eq!(slices[1]["cat"], "MixCfn");
    }
}
