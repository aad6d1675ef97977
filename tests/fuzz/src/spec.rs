//! Bytes as the TOML of a backbone.

use hrvit_core::{Plan, PlanBuilder, Tiling, WeightPlacement, WideParts, recomputed_macs, step_macs};
use hrvit_format::{Head, Network, Size, Spec, StepId, VARIANTS};
use hrvit_reference::{Parameter, parameters};
use hrvit_tests::specs;
use hrvit_tool::spec_file::{parse_spec, spec_to_toml};
use hrvit_tool::{accounting, memory_picture};

use crate::{Choices, Verdict};

/// Up to how many steps a network is planned more than once and its tensors are listed.
const FEW_STEPS: usize = 300;
/// Class counts that may be too many for a head, or too few.
const CLASSES: [u16; 6] = [19, 1, 256, 257, 32767, 0];

/// Reads a backbone, and counts and plans every network that it makes with a head.
pub fn spec(data: &[u8]) -> Verdict {
    let mut choices = Choices::new(data);
    let text = if choices.below(8) == 1 { String::from_utf8_lossy(choices.rest()).into_owned() } else { Draft::new(&mut choices).text(&mut choices) };
    let spec = match parse_spec(&text) {
        Ok(spec) => spec,
        Err(error) => {
            assert!(!format!("{error:#}").is_empty(), "an error without words");
            return Verdict::Refused;
        }
    };
    let written = spec_to_toml(&spec).unwrap_or_else(|error| panic!("{spec:?}: {error:#}"));
    let again = parse_spec(&written).unwrap_or_else(|error| panic!("{written}: {error:#}"));
    assert_eq!(again, spec, "another backbone after writing and reading");
    let (classes, mut valid, mut few) = (choices.pick(&CLASSES), false, true);
    for head in Head::ALL {
        let network = Network { spec: spec.clone(), head, classes };
        if let Err(error) = network.validate() {
            assert!(!error.to_string().is_empty(), "an error without words");
            assert!(Plan::builder(&network, specs::size(32, 32)).build().is_err(), "an invalid network is planned");
            continue;
        }
        valid = true;
        let steps = list(&network);
        few &= steps <= FEW_STEPS;
        count(&network, &mut choices, steps);
        plan(&network, &mut choices, steps);
    }
    match (valid, few) {
        (false, _) => Verdict::Refused,
        (true, false) => Verdict::Skipped,
        (true, true) => Verdict::Accepted,
    }
}

/// Lists steps and operators; the number of steps is what the table of blocks says.
fn list(network: &Network) -> usize {
    let spec = &network.spec;
    let blocks: usize = spec.blocks.iter().flatten().map(|&blocks| 2 * usize::from(blocks)).sum();
    // Per branch of a later module a fusion, an embedding and a norm; the first module has its norm
    // only.
    let others: usize = (1..spec.modules()).map(|module| 3 * spec.branches(module)).sum();
    let expected = 2 + blocks + others + if network.head == Head::Segformer { 2 } else { 5 };
    let mut last = None;
    for (id, step) in network.step_ids() {
        assert_eq!(usize::from(id.0), last.map_or(0, |(StepId(last), _)| usize::from(last) + 1), "steps are numbered");
        for op in network.ops(step) {
            assert!(op.cin > 0 && op.cout > 0 && op.depth() <= 1 << 16 && op.weight_count() < 1 << 31, "{step}: {op:?}");
        }
        last = Some((id, step));
    }
    let steps = last.map_or(0, |(StepId(last), _)| usize::from(last) + 1);
    assert_eq!(steps, expected, "{spec:?}");
    assert_eq!(last.and_then(|(id, _)| network.step(id)), last.map(|(_, step)| step));
    steps
}

/// A size; as often the largest.
fn size(choices: &mut Choices<'_>) -> Size {
    if choices.u8().is_multiple_of(2) {
        return specs::size(4096, 4096);
    }
    let mut side = || 32 * (1 + choices.below(128) as u16);
    specs::size(side(), side())
}

/// Counts what frames cost: as the tool, the reference and the engine have it.
fn count(network: &Network, choices: &mut Choices<'_>, steps: usize) {
    let size = size(choices);
    let total = accounting::total(&accounting::stages(network, size));
    assert_eq!(total.macs_folded, network.steps().map(|step| step_macs(network, size, step)).sum::<u64>(), "{size} {network:?}");
    assert!(total.macs_as_written >= total.macs_folded && total.activation_bytes > 0);
    if steps <= FEW_STEPS {
        let learnt: usize = parameters(network).iter().filter(|parameter| parameter.is_learnt()).map(Parameter::count).sum();
        assert_eq!(total.params, learnt as u64, "{network:?}");
    }
}

/// Plans: every region of a plan lies in its arena.
fn plan(network: &Network, choices: &mut Choices<'_>, steps: usize) {
    let number = |choices: &mut Choices<'_>| choices.pick(&[0, 1, 2, 4, 100, 1 << 16, 1 << 20, 1 << 30, usize::MAX / 2, usize::MAX]);
    let mut builder = Plan::builder(network, size(choices));
    // Every step is planned with several tiles: that takes long where there are many.
    if steps <= FEW_STEPS {
        let tiling = match choices.below(3) {
            0 => Tiling::Smallest,
            1 => Tiling::Within(number(choices)),
            _ => Tiling::Rows(number(choices)),
        };
        let weights = if choices.below(2) == 0 { WeightPlacement::Mapped } else { WeightPlacement::Streamed { largest_group: number(choices) } };
        let precisions = choices.pick(&[WideParts::NONE, WideParts::ALL, WideParts::ALL_INT16X8]);
        let workers = choices.pick(&[1, 2, 3, 8, 0, 64, usize::MAX]);
        builder = builder.tiling(tiling).weights(weights).precisions(precisions).workers(workers);
    }
    if let Some(plan) = check(builder).filter(|_| choices.u8() == u8::MAX && steps <= FEW_STEPS) {
        let picture = memory_picture::draw(&plan).unwrap_or_else(|error| panic!("{error:#}"));
        assert!(picture.contains("</svg>"));
    }
}

fn check(builder: PlanBuilder) -> Option<Plan> {
    let plan = match builder.clone().build() {
        Ok(plan) => plan,
        Err(error) => {
            assert!(!error.to_string().is_empty(), "an error without words");
            return None;
        }
    };
    let arena = plan.arena_bytes();
    for step in plan.network().steps() {
        for region in plan.regions_during(step) {
            assert!(region.offset.checked_add(region.bytes).is_some_and(|end| end <= arena), "{builder:?}: {step} has {region:?} of {arena} bytes");
        }
    }
    // The work that several workers repeat is at most the whole work, times the workers.
    let macs: u64 = plan.network().steps().map(|step| plan.macs(step)).sum();
    assert!(recomputed_macs(&plan) <= macs.saturating_mul(plan.workers() as u64), "{builder:?}");
    Some(plan)
}

/// The fields of a backbone before they are checked.
#[derive(Clone)]
struct Draft {
    stem: i64,
    channels: Vec<i64>,
    blocks: Vec<Vec<i64>>,
    head_dim: i64,
    windows: Vec<i64>,
    ratios: Vec<i64>,
    head_width: i64,
    activation: &'static str,
}

impl Draft {
    /// A valid backbone with some fields changed.
    fn new(choices: &mut Choices<'_>) -> Self {
        let variant = VARIANTS.get(choices.below(VARIANTS.len() + 2)).and_then(|name| Spec::variant(name));
        let spec = variant.unwrap_or_else(|| specs::tiny(Head::Segformer).spec);
        let Spec { stem, channels, blocks, head_dim, windows, ratios, head_width, .. } = spec;
        let mut draft = Self {
            stem: stem.into(),
            channels: channels.map(i64::from).to_vec(),
            blocks: blocks.iter().map(|module| module.iter().map(|&blocks| i64::from(blocks)).collect()).collect(),
            head_dim: head_dim.into(),
            windows: windows.map(i64::from).to_vec(),
            ratios: ratios.map(i64::from).to_vec(),
            head_width: head_width.into(),
            activation: choices.pick(&["gelu", "hardswish"]),
        };
        for _ in 0..choices.below(6) {
            draft.change(choices);
        }
        draft
    }

    fn change(&mut self, choices: &mut Choices<'_>) {
        match choices.below(12) {
            0 => self.stem = 2 * (1 + number(choices, 512)),
            1 | 2 => entry(&mut self.channels, choices, |choices| 4 * (2 + number(choices, 255))),
            3 => self.head_dim = 1 + number(choices, 1024),
            4 => entry(&mut self.windows, choices, |choices| 1 + number(choices, 255)),
            5 => entry(&mut self.ratios, choices, |choices| 1 + number(choices, 8)),
            6 => self.head_width = 1 + number(choices, 4096),
            7..=9 => {
                let module = choices.below(self.blocks.len());
                entry(self.blocks.get_mut(module).unwrap_or(&mut Vec::new()), choices, |choices| {
                    if choices.one_in(8) { number(choices, 256) } else { number(choices, 4) }
                });
            }
            10 => {
                let module = self.blocks.get(choices.below(self.blocks.len())).cloned().unwrap_or_default();
                self.blocks.push(module);
                self.blocks.sort_by_key(Vec::len);
            }
            _ => {
                let module = choices.below(self.blocks.len());
                self.blocks.drain(module.min(self.blocks.len())..).take(1).for_each(drop);
            }
        }
    }

    /// As TOML; sometimes with what no backbone has.
    fn text(&self, choices: &mut Choices<'_>) -> String {
        let Self { stem, channels, blocks, head_dim, windows, ratios, head_width, activation } = self;
        let mut lines = vec![
            format!("stem = {stem}"),
            format!("channels = {channels:?}"),
            format!("blocks = {blocks:?}"),
            format!("head_dim = {head_dim}"),
            format!("windows = {windows:?}"),
            format!("ratios = {ratios:?}"),
            format!("head_width = {head_width}"),
            format!("des_activation = {activation:?}"),
        ];
        while choices.u8() >= 0xe8 {
            let (line, other) = (choices.below(lines.len()), choices.below(lines.len()));
            let key = lines.get(line).and_then(|line| line.split(' ').next()).unwrap_or_default().to_owned();
            match choices.below(6) {
                0 => drop(lines.drain(line..).take(1).collect::<Vec<_>>()),
                1 => lines.swap(line, other),
                2 => lines.push(choices.pick(&["", "more = 1", "stem = 4", "[blocks]", "[[channels]]", "# \u{e9}", "des_activation = \"none\""]).to_owned()),
                3 => lines.push(format!("{key} = {}", value(choices))),
                4 => lines[line] = format!("{key} = {}", value(choices)),
                _ => lines[line].extend((0..choices.below(8)).map(|_| char::from(choices.u8()))),
            }
            if lines.is_empty() {
                break;
            }
        }
        lines.join(choices.pick(&["\n", "\r\n"]))
    }
}

/// A number from 0 to below `most`; rarely any.
fn number(choices: &mut Choices<'_>, most: usize) -> i64 {
    if choices.u8() < 0xf0 { choices.below(most) as i64 } else { choices.pick(&[-1, 255, 256, 1024, 65_532, 65_535, 65_536, i64::MAX / 8, i64::MIN / 8]) }
}

/// Changes an entry, or rarely how many there are.
fn entry(entries: &mut Vec<i64>, choices: &mut Choices<'_>, value: impl Fn(&mut Choices<'_>) -> i64) {
    match choices.u8() {
        0xf8.. => drop(entries.pop()),
        0xf0.. => entries.push(value(choices)),
        _ => {
            let at = choices.below(entries.len());
            let value = value(choices);
            entries.iter_mut().skip(at).take(1).for_each(|entry| *entry = value);
        }
    }
}

/// A value of another type, or of any size.
fn value(choices: &mut Choices<'_>) -> String {
    let times = choices.pick(&[1, 9, 100, 5000]);
    match choices.below(8) {
        0 => "9".repeat(times),
        1 => format!("{}{}", "[".repeat(times), "]".repeat(times)),
        2 => format!("[{}]", "1,".repeat(times)),
        3 => format!("{}{}", "{a=".repeat(times), "}".repeat(times)),
        4 => format!("{:?}", "x".repeat(times)),
        5 => choices.pick(&["1.5", "nan", "true", "1979-05-27", "-0", "0x10", "1_000", "''", "\"\"\""]).to_owned(),
        6 => format!("[{}]", "[1],".repeat(times)),
        _ => "a.".repeat(times),
    }
}

#[cfg(test)]
mod tests {
    use hrvit_tests::rng::Rng;

    use super::*;

    #[test]
    fn without_choices_it_is_a_variant() {
        assert_eq!(spec(&[]), Verdict::Accepted);
        assert_eq!(spec(&[1]), Verdict::Refused, "no text");
    }

    #[test]
    fn raw_text_is_read() {
        let draft = Draft::new(&mut Choices::new(&[]));
        let text = draft.text(&mut Choices::new(&[]));
        assert_eq!(spec(format!("\u{1}{text}").as_bytes()), Verdict::Accepted);
        assert_eq!(spec(format!("\u{1}{text}more = 1").as_bytes()), Verdict::Refused);
    }

    #[test]
    fn changed_backbones_are_read_or_refused() {
        let mut rng = Rng::new(1);
        let mut verdict = || spec(&(0..rng.int(0, 80)).map(|_| rng.bits() as u8).collect::<Vec<_>>());
        let verdicts: Vec<_> = (0..400).map(|_| verdict()).collect();
        let accepted = verdicts.iter().filter(|&&verdict| verdict == Verdict::Accepted).count();
        assert!((60..340).contains(&accepted), "{accepted} of 400");
    }
}
