//! Content of the residual streams: how large they get, which sets their scale, and how much that
//! scale leaves to most of their channels.

use std::collections::BTreeMap;

use hrvit_format::{OpKind, Step};
use hrvit_reference::{Map, Tap};

use super::stats::{Stream, stream};

/// Fewest codes per deviation of the median channel that go without a warning: rounding the stream
/// once is then 40 dB below it.
const FEWEST_CODES: f64 = 29.0;
/// Channels that a warning names.
const NAMED: usize = 4;

/// Content of one channel of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Channel {
    largest: f32,
    count: f64,
    sum: f64,
    squares: f64,
}

impl Channel {
    fn add(&mut self, x: f32) {
        self.largest = self.largest.max(x.abs());
        self.count += 1.0;
        self.sum += f64::from(x);
        self.squares += f64::from(x) * f64::from(x);
    }

    fn and(self, other: Self) -> Self {
        let Self { largest, count, sum, squares } = other;
        Self { largest: self.largest.max(largest), count: self.count + count, sum: self.sum + sum, squares: self.squares + squares }
    }

    fn deviation(self) -> f64 {
        let mean = self.sum / self.count.max(1.0);
        (self.squares / self.count.max(1.0) - mean * mean).max(0.0).sqrt()
    }
}

/// Every residual stream of a network over some frames: the embedding's LayerNorm and every later
/// x.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Streams(BTreeMap<Stream, Vec<Channel>>);

impl Streams {
    fn take(&mut self, step: Step, x: &Map) {
        let Some(stream) = stream(step) else { return };
        let channels = self.0.entry(stream).or_default();
        channels.resize(x.channels, Channel::default());
        for token in x.data.chunks_exact(x.channels) {
            channels.iter_mut().zip(token).for_each(|(channel, &x)| channel.add(x));
        }
    }

    /// Statistics of both.
    pub fn and(mut self, other: Self) -> Self {
        for (stream, theirs) in other.0 {
            let channels = self.0.entry(stream).or_default();
            channels.resize(theirs.len(), Channel::default());
            channels.iter_mut().zip(theirs).for_each(|(channel, other)| *channel = channel.and(other));
        }
        self
    }

    /// The largest magnitude of every stream.
    pub fn largest(&self) -> BTreeMap<Stream, f32> {
        self.0.iter().map(|(&stream, channels)| (stream, channels.iter().fold(0.0f32, |most, channel| most.max(channel.largest)))).collect()
    }

    /// A sentence for every stream of which a few channels leave most others hardly any codes,
    /// given the scale of each.
    pub fn warnings(&self, scale: &BTreeMap<Stream, f64>) -> Vec<(Stream, String)> {
        self.0.iter().filter_map(|(stream, channels)| Some((*stream, warning(*stream, channels, *scale.get(stream)?)?))).collect()
    }
}

fn warning((module, branch): Stream, channels: &[Channel], scale: f64) -> Option<String> {
    let mut deviations: Vec<f64> = channels.iter().map(|channel| channel.deviation()).filter(|deviation| *deviation > 0.0).collect();
    deviations.sort_by(f64::total_cmp);
    let median = *deviations.get(deviations.len() / 2)?;
    let largest = channels.iter().fold(0.0f32, |most, channel| most.max(channel.largest));
    if median >= FEWEST_CODES * scale {
        return None;
    }
    let mut loud: Vec<usize> = (0..channels.len()).filter(|&c| channels[c].largest > 0.25 * largest).collect();
    loud.sort_by(|&a, &b| channels[b].largest.total_cmp(&channels[a].largest));
    let names: Vec<String> = loud.iter().take(NAMED).map(ToString::to_string).collect();
    let more = if loud.len() > NAMED { format!(" and {} more", loud.len() - NAMED) } else { String::new() };
    Some(format!(
        "m{}.branch.{branch}: channels {}{more} of the residual stream reach {largest:.3e}, the deviation of the median channel is {median:.3e}: 16 bits leave it {:.1} codes",
        module + 1,
        names.join(", "),
        median / scale
    ))
}

impl Tap for Streams {
    fn op(&mut self, step: Step, _: usize, kind: OpKind, _: &Map, output: &mut Map) {
        if kind == OpKind::EmbedNorm {
            self.take(step, output);
        }
    }

    fn residual(&mut self, step: Step, x: &mut Map) {
        self.take(step, x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream of four channels between -1 and 1, and a constant on the last.
    fn streams(constant: f32) -> Streams {
        let data = (0..400).map(|i| (i as f32 * 0.7).sin() + if i % 4 == 3 { constant } else { 0.0 }).collect();
        let mut streams = Streams::default();
        streams.take(Step::Stem, &Map { rows: 10, columns: 10, channels: 4, data });
        streams
    }

    #[test]
    fn channels_that_leave_the_others_few_codes_are_named() {
        let warnings = |constant: f32| streams(constant).warnings(&BTreeMap::from([((0, 0), f64::from(constant.max(1.0)) / 32767.0)]));
        assert!(warnings(0.0).is_empty() && warnings(100.0).is_empty());
        let warned = warnings(10_000.0);
        assert!(warned.len() == 1 && warned[0].0 == (0, 0) && warned[0].1.starts_with("m1.branch.0: channels 3 of"), "{warned:?}");
    }

    #[test]
    fn streams_of_two_frames_are_one() {
        let both = streams(0.0).and(streams(50.0));
        assert_eq!(both.largest(), streams(50.0).largest());
        assert_eq!(both.0[&(0, 0)][0].count, 200.0);
    }
}
