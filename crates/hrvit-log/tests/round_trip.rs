//! Every line is read as it was written, and refused where it is damaged.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use hrvit_log::*;
use proptest::prelude::*;

const WORD: &str = "[!#-~]{1,16}";
const QUOTED: &str = "[ !#-~]{0,24}";

fn round<T: Display + FromStr<Err = LineError> + PartialEq + Debug>(line: &T) -> Result<(), TestCaseError> {
    let text = line.to_string();
    let read: Result<T, LineError> = text.parse();
    prop_assert_eq!(read.as_ref(), Ok(line), "{}", &text);
    Ok(())
}

fn unit() -> impl Strategy<Value = Unit> {
    prop_oneof![Just(Unit::Instructions), Just(Unit::Cycles), Just(Unit::Ticks)]
}

prop_compose! {
    fn run()(machine in WORD, unit in unit(), clock_hz: u32, network in WORD, height: u16, width: u16, steps: usize, frames: u32, arena: usize,
        weights in WORD, probe: u64) -> Run<String> {
        Run { machine, unit, clock_hz, network, size: Size { height, width }, steps, frames, arena, weights, probe }
    }
}

proptest! {
    #[test]
    fn runs(run in run()) {
        round(&run)?;
    }

    #[test]
    fn steps(id: u16, kind in WORD, name in QUOTED, ticks: u64, macs: u64, crc: u32) {
        round(&Step { id, kind, name, ticks, macs, crc: Crc(crc) })?;
    }

    #[test]
    fn totals(ticks: u64, macs: u64, stack: usize, crc: u32) {
        round(&Total { ticks, macs, stack, labels_crc: Crc(crc) })?;
    }

    #[test]
    fn spreads(id: u16, cold: u64, mean: u64, deviation: u64, least: u64, most: u64) {
        round(&Spread { id, mean, deviation, least, most })?;
        round(&Latency { cold, mean, deviation, least, most })?;
    }

    #[test]
    fn frames(frame: u16, row: u16, bytes: usize, rows: u16, source in WORD, ticks: u64, crc: u32) {
        round(&Want { frame, row, bytes, rows })?;
        round(&Framed { source, number: frame, size: Size { height: rows, width: row }, ticks, labels_crc: Crc(crc) })?;
    }

    #[test]
    fn label_maps(frame: u16, row: u16, column: u16, row_of_labels in proptest::collection::vec(0_u8..4, 1..300)) {
        let runs = Runs(&row_of_labels).to_string();
        prop_assert_eq!(labels(&runs, row_of_labels.len()), Some(row_of_labels.clone()));
        prop_assert_eq!(labels(&runs, row_of_labels.len() - 1), None, "more than there is room for");
        round(&Labels { frame, row, column, runs })?;
    }

    #[test]
    fn drifts(ppm: Option<u32>, differ: usize, labels: usize) {
        round(&Drift { logits_ppm: LogitsPpm(ppm), differ, labels })?;
    }

    #[test]
    fn verdicts(steps: usize, id: u16, name in QUOTED, expected: u32, found: u32) {
        let (pass, fail) = (Pass { steps }, Fail { id, name, expected: Crc(expected), found: Crc(found) });
        round(&pass)?;
        round(&fail)?;
        prop_assert_eq!(pass.to_string().parse(), Ok(SelfTest::Pass(pass)));
        prop_assert_eq!(fail.to_string().parse(), Ok(SelfTest::Fail(fail)));
    }

    #[test]
    fn kernels(machine in WORD, isa in WORD, family in QUOTED, file in WORD, cases: u32, failures: u32) {
        round(&Kernel { machine: machine.clone(), isa: isa.clone(), family, file })?;
        round(&Conformance { machine, isa, cases, failures })?;
    }

    #[test]
    fn faults(kind in WORD, read: usize, of: usize, cases: u32) {
        round(&Fault { kind, read, of })?;
        round(&FaultsPassed { cases })?;
    }

    #[test]
    fn errors(code: u8, text in "[!-~]([ -~]{0,40}[!-~])?") {
        round(&DeviceError { code, text })?;
    }

    #[test]
    fn slots(slot in "[A-Z]", number: u32, reason in "[!-~]([ -~]{0,40}[!-~])?") {
        round(&SlotImage { slot: slot.clone(), number })?;
        round(&SlotRefused { slot, reason })?;
    }

    /// A line that is cut is refused, or its last number is shorter.
    #[test]
    fn a_cut_line_never_panics_and_never_reads_as_the_whole(run in run(), at: prop::sample::Index) {
        let text = run.to_string();
        let cut = &text[..at.index(text.len())];
        prop_assert_ne!(cut.parse::<Run<String>>(), Ok(run));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,80}") {
        prop_assert!(text.parse::<Total>().is_err());
        let step = ["hrvit step: id=", &text].concat();
        prop_assert!(step.parse::<Step<String, String>>().is_err());
    }
}

/// The texts themselves: logs that were kept are read.
#[test]
fn the_words_of_every_line_are_these() {
    let run = Run {
        machine: "qemu-m7",
        unit: Unit::Instructions,
        clock_hz: 0,
        network: "nano",
        size: Size { height: 192, width: 256 },
        steps: 102,
        frames: 2,
        arena: 216_960,
        weights: "mapped",
        probe: 9,
    };
    let text = "hrvit run: machine=qemu-m7 unit=instructions clock_hz=0 network=nano size=192x256 steps=102 frames=2 arena=216960 weights=mapped probe=9";
    assert_eq!(run.to_string(), text);
    let step = Step { id: 1, kind: "MixCfn", name: "m1 ffn", ticks: 1000, macs: 500, crc: Crc(0xbeef) };
    assert_eq!(step.to_string(), "hrvit step: id=1 kind=MixCfn name=\"m1 ffn\" ticks=1000 macs=500 crc=0000beef");
    let total = Total { ticks: 4100, macs: 6500, stack: 0, labels_crc: Crc(0xdead_beef) };
    assert_eq!(total.to_string(), "hrvit total: ticks=4100 macs=6500 stack=0 labels_crc=deadbeef");
    let drift = Drift { logits_ppm: LogitsPpm(Some(312)), differ: 4, labels: 49152 };
    assert_eq!(drift.to_string(), "hrvit drift: logits_ppm=312 differ=4 labels=49152");
    assert_eq!(Drift { logits_ppm: LogitsPpm(None), ..drift }.to_string(), "hrvit drift: logits_ppm=- differ=4 labels=49152");
    assert_eq!(Pass { steps: 41 }.to_string(), "hrvit selftest: PASS steps=41");
    let fail = Fail { id: 3, name: "norm 1", expected: Crc(1), found: Crc(0xab) };
    assert_eq!(fail.to_string(), "hrvit selftest: FAIL id=3 name=\"norm 1\" expected=00000001 found=000000ab");
    let kernel = Kernel { machine: "m7", isa: "dsp", family: "dense products", file: "gemm_s8/dsp.rs" };
    assert_eq!(kernel.to_string(), "hrvit kernel: machine=m7 isa=dsp family=\"dense products\" file=gemm_s8/dsp.rs");
    let conformance = Conformance { machine: "m7", isa: "dsp", cases: 12, failures: 1 };
    assert_eq!(conformance.to_string(), "hrvit conformance: machine=m7 isa=dsp cases=12 failures=1");
    assert_eq!(Fault { kind: "flip", read: 4, of: 9 }.to_string(), "hrvit fault: kind=flip read=4 of=9");
    assert_eq!(FaultsPassed { cases: 18 }.to_string(), "hrvit faults: PASS cases=18");
    assert_eq!(DeviceError { code: 3, text: "too old" }.to_string(), "hrvit error: code=3 too old");
    assert_eq!(SlotImage { slot: "A", number: 7 }.to_string(), "slot A: image number 7");
    assert_eq!(SlotRefused { slot: "B", reason: "no image" }.to_string(), "slot B: no image");
}

#[test]
fn an_error_names_the_field_and_what_is_expected() {
    let refusal = |text: &str| text.parse::<Total>().unwrap_err().to_string();
    assert!(refusal("hrvit total: ticks=3x macs=1 stack=0 labels_crc=00000000").starts_with("ticks is not a decimal number below 2^64"));
    assert!(refusal("hrvit total: ticks=99999999999999999999 macs=1 stack=0 labels_crc=00000000").starts_with("ticks is not"));
    assert!(refusal("hrvit total: ticks=3 stack=0 labels_crc=00000000").starts_with("macs= is missing: expected `hrvit total: ticks={}"));
    assert!(refusal("hrvit total: ticks=3 macs=1 stack=0 labels_crc=0000000").contains("8 hexadecimal digits"));
    assert!(refusal("hrvit total: ticks=3 macs=1 stack=0 labels_crc=+0000000").contains("8 hexadecimal digits"));
    assert!(refusal("hrvit total: ticks=3 macs=1 stack=0 labels_crc=00000000 more=1").contains("8 hexadecimal digits"));
    let quote = "hrvit selftest: FAIL id=1 name=\"norm expected=00000001 found=00000002".parse::<Fail<String>>().unwrap_err();
    assert_eq!((quote.field, quote.problem), ("name", Problem::Unclosed));
}
