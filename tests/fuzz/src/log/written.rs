//! A valid log with changed lines and numbers.

use hrvit_log::{Crc, Fail, Log, Pass, Run, Size, Step, Total, Unit};

use crate::Choices;

/// Kinds of blocks, and what none is.
const KINDS: [&str; 6] = ["Stem", "MixCfn", "Attention", "Logits", "\u{1f9ee}", ""];
/// Lines that a log may have beside its profile.
const OTHERS: [&str; 18] = [
    "hello",
    "",
    "hrvit drift: logits_ppm=312 differ=4 labels=49152",
    "hrvit drift: logits_ppm=- differ=0 labels=18446744073709551615",
    "hrvit spread: id=0 mean=7 deviation=0 least=7 most=7",
    "hrvit latency: cold=18446744073709551615 mean=9 deviation=1 least=8 most=10",
    "hrvit frame: source=serial number=0 size=192x256 ticks=9 labels_crc=0000ffff",
    "hrvit labels: frame=0 row=0 column=0 runs=12x3,244x0",
    "hrvit kernel: machine=m7 isa=dsp family=\"dense products\" file=gemm_s8/dsp.rs",
    "hrvit conformance: machine=m7 isa=dsp cases=12 failures=1",
    "hrvit fault: kind=flip read=4 of=9",
    "hrvit error: code=12 read failed",
    "hrvit faults: PASS cases=1",
    "hrvit selftest: PASS steps=3",
    "hrvit weather: rain",
    "slot A: image number 7",
    "slot B: no image",
    "\u{85}hrvit total: ticks=1 macs=1 stack=0 labels_crc=00000000\u{2003}",
];
/// Numbers to put in place of others.
const NUMBERS: [&str; 16] = [
    "0",
    "1",
    "-1",
    "+7",
    "00",
    "255",
    "256",
    "65535",
    "65536",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "",
    "1e9",
];

/// A profile without changes.
pub fn profile() -> Log {
    Log::parse(text(&mut Choices::new(&[])).lines()).unwrap_or_else(|error| panic!("{error}"))
}

/// A profile or a self-test, whose sums agree before up to six changes.
pub fn text(choices: &mut Choices<'_>) -> String {
    let count = [3, 1, 2, 9, 40, 0][choices.below(6)];
    let wide = choices.u8() >= 0xe0;
    let amount = |choices: &mut Choices<'_>, most: u64| if wide { choices.u64() / (most + 1) } else { u64::from(choices.u16()) };
    let mut steps: Vec<Step<&str, String>> = Vec::new();
    for id in 0..count {
        let (kind, name) = (choices.pick(&KINDS), format!("module {id} <&> {}", choices.below(3)));
        steps.push(Step { id, kind, name, ticks: 1 + amount(choices, u64::from(count)), macs: amount(choices, u64::from(count)), crc: Crc(choices.u32()) });
    }
    let sum = |of: fn(&Step<&str, String>) -> u64| steps.iter().map(of).fold(0, u64::saturating_add);
    let (ticks, macs) = (sum(|step| step.ticks).saturating_add(choices.u16().into()), sum(|step| step.macs));
    let run = Run {
        machine: "qemu-m7",
        unit: choices.pick(&[Unit::Instructions, Unit::Cycles, Unit::Ticks]),
        clock_hz: choices.pick(&[0, 1, 600_000_000, u32::MAX]),
        network: "nano",
        size: Size { height: 192, width: 256 },
        steps: usize::from(count),
        frames: choices.pick(&[2, 1, u32::MAX]),
        arena: 216_960,
        weights: "mapped",
        probe: 9,
    };
    let mut lines = vec![run.to_string()];
    lines.extend(steps.iter().map(ToString::to_string));
    lines.push(Total { ticks, macs, stack: choices.u16().into(), labels_crc: Crc(0) }.to_string());
    match choices.below(4) {
        0 | 1 => {}
        2 => lines.push(Pass { steps: count.into() }.to_string()),
        _ => lines.push(Fail { id: 0, name: "stem", expected: Crc(1), found: Crc(2) }.to_string()),
    }
    if choices.u8() % 4 == 3 {
        lines.push("hrvit error: code=9 stopped".to_owned());
    }
    for _ in 0..choices.below(7) {
        change(&mut lines, choices);
    }
    lines.join(choices.pick(&["\n", "\r\n", "\n"]))
}

fn change(lines: &mut Vec<String>, choices: &mut Choices<'_>) {
    let (at, other) = (choices.below(lines.len()), choices.below(lines.len() + 1));
    let Some(line) = lines.get_mut(at) else { return };
    match choices.below(16) {
        0..=3 => *line = renumbered(line, choices),
        4..=10 => lines.insert(other, choices.pick(&OTHERS).to_owned()),
        11 => lines.swap(at, other.min(at)),
        12 => drop(lines.remove(at)),
        13 => {
            let line = line.clone();
            lines.insert(other, line);
        }
        14 => {
            let end = (0..=choices.below(line.len() + 1)).rev().find(|&end| line.is_char_boundary(end)).unwrap_or(0);
            line.truncate(end);
        }
        _ => {
            let place = (0..=choices.below(line.len() + 1)).rev().find(|&place| line.is_char_boundary(place)).unwrap_or(0);
            line.insert_str(place, choices.pick(&[" ", "\"", "=", ":", "\u{85}", "\u{feff}", "x", "\t", "\u{301}", "\r", "\0", "<"]));
        }
    }
}

/// The line with another value behind one of its `=`.
fn renumbered(line: &str, choices: &mut Choices<'_>) -> String {
    let places: Vec<usize> = line.match_indices('=').map(|(at, _)| at + 1).collect();
    let Some(&start) = places.get(choices.below(places.len())) else { return line.to_owned() };
    let end = line[start..].find(' ').map_or(line.len(), |len| start + len);
    let value = if choices.u8() % 4 == 3 { u64::from(choices.u16()).to_string() } else { choices.pick(&NUMBERS).to_owned() };
    [&line[..start], &value, &line[end..]].concat()
}
