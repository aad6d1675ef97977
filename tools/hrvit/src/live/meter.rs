//! Times of frames.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::Serialize;

/// Frames that figures are of.
pub const WINDOW: usize = 300;
/// How far back frames count for the rate.
const RATE_WINDOW: Duration = Duration::from_secs(2);

/// Times of one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Took {
    /// From the frame's arrival to the beginning of its work.
    pub wait: Duration,
    /// Making rows of the input.
    pub rows: Duration,
    /// The network.
    pub network: Duration,
}

/// Figures in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Frames that were run.
    pub frames: u64,
    /// Frames a second, of the last two seconds.
    pub fps: f64,
    /// Mean wait of a frame.
    pub wait_ms: f64,
    /// Mean of making rows.
    pub rows_ms: f64,
    /// Mean of the network.
    pub network_ms: f64,
    /// Mean from arrival to labels.
    pub latency_ms: f64,
    /// The 95th of 100 of it.
    pub latency_p95_ms: f64,
    /// The largest.
    pub latency_max_ms: f64,
}

/// Counts frames.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    frames: u64,
    last: VecDeque<(Instant, Took)>,
}

impl Meter {
    /// Adds a frame that ended at `now`.
    pub fn add(&mut self, now: Instant, took: Took) {
        self.frames += 1;
        if self.last.len() == WINDOW {
            self.last.pop_front();
        }
        self.last.push_back((now, took));
    }

    /// Figures of the last frames.
    pub fn figures(&self, now: Instant) -> Figures {
        let milliseconds = |duration: Duration| 1e3 * duration.as_secs_f64();
        let count = self.last.len().max(1) as f64;
        let mean = |of: fn(&Took) -> Duration| self.last.iter().map(|(_, took)| milliseconds(of(took))).sum::<f64>() / count;
        let mut latencies: Vec<f64> = self.last.iter().map(|(_, took)| milliseconds(took.wait + took.rows + took.network)).collect();
        latencies.sort_by(f64::total_cmp);
        let recent = self.last.iter().filter(|(at, _)| now.duration_since(*at) <= RATE_WINDOW).count();
        let known = self.last.front().map_or(RATE_WINDOW, |(first, _)| now.duration_since(*first).min(RATE_WINDOW));
        Figures {
            frames: self.frames,
            fps: recent as f64 / known.as_secs_f64().max(1e-3),
            wait_ms: mean(|took| took.wait),
            rows_ms: mean(|took| took.rows),
            network_ms: mean(|took| took.network),
            latency_ms: mean(|took| took.wait + took.rows + took.network),
            latency_p95_ms: latencies.get((latencies.len() * 95 / 100).min(latencies.len().saturating_sub(1))).copied().unwrap_or(0.0),
            latency_max_ms: latencies.last().copied().unwrap_or(0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_means_of_the_last_frames() {
        let (mut meter, start) = (Meter::default(), Instant::now());
        for frame in 0..40u32 {
            let took =
                Took { wait: Duration::from_millis(1), rows: Duration::from_millis(2), network: Duration::from_millis(if frame == 39 { 47 } else { 7 }) };
            meter.add(start + Duration::from_millis(100) * frame, took);
        }
        let figures = meter.figures(start + Duration::from_millis(3950));
        assert_eq!((figures.frames, figures.fps, figures.rows_ms, figures.network_ms), (40, 10.0, 2.0, 8.0));
        assert_eq!((figures.latency_ms, figures.latency_p95_ms, figures.latency_max_ms), (11.0, 10.0, 50.0));
        assert_eq!(Meter::default().figures(start), Figures::default());
    }
}
