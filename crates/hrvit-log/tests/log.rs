//! Whole logs: what is read, and what is refused with which words.

use hrvit_log::*;

/// A profile of two steps with a line that is none of the protocol.
const PROFILE: &str = "\
hrvit run: machine=qemu-m7 unit=instructions clock_hz=0 network=nano size=192x256 steps=2 frames=2 arena=216960 weights=mapped probe=9
hello
hrvit step: id=0 kind=Stem name=\"stem\" ticks=3000 macs=6000 crc=0000beef
hrvit step: id=1 kind=MixCfn name=\"module 0 branch 0 block 0 ffn\" ticks=1000 macs=500 crc=12345678
hrvit total: ticks=4100 macs=6500 stack=0 labels_crc=deadbeef";

/// A profile whose second step takes longer than the whole, as a clock that wrapped leaves it.
const LONGER_THAN_THE_TOTAL: &str = "\
hrvit run: machine=b unit=cycles clock_hz=800000000 network=nano size=64x96 steps=2 frames=1 arena=100 weights=mapped probe=9
hrvit step: id=0 kind=Stem name=\"stem\" ticks=3000 macs=6000 crc=0000beef
hrvit step: id=1 kind=MixCfn name=\"f\" ticks=4294967000 macs=500 crc=12345678
hrvit total: ticks=4100 macs=6500 stack=0 labels_crc=deadbeef";

fn refused(text: &str) -> String {
    Log::parse(text.lines()).expect_err("the log contradicts itself").to_string()
}

/// The refusal of [`PROFILE`] after replacing text in it.
#[track_caller]
fn refusal(from: &str, to: &str) -> String {
    assert!(PROFILE.contains(from), "{from:?} is to be replaced");
    refused(&PROFILE.replace(from, to))
}

fn line(at: usize) -> &'static str {
    PROFILE.lines().nth(at).unwrap()
}

#[test]
fn a_profile_is_read_with_its_quoted_names_and_other_lines() {
    let log = Log::parse(PROFILE.lines()).unwrap();
    assert_eq!(log.steps[1].name, "module 0 branch 0 block 0 ffn");
    assert_eq!((log.steps[0].crc, log.steps[0].ticks, log.steps[1].macs), (Crc(0xbeef), 3000, 500));
    assert_eq!((log.run.unwrap().unit, log.total.unwrap().labels_crc), (Unit::Instructions, Crc(0xdead_beef)));
    assert_eq!(log.text, ["hello"]);
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    assert!(refusal("steps=2", "steps=3").contains("2 of 3 steps"));
    assert!(refusal("macs=6500", "macs=6501").contains("macs=6500 (multiply-accumulates) together, `hrvit total` says macs=6501"));
    assert!(refusal("crc=12345678", "crc=1234567").contains("8 hexadecimal digits"));
    assert!(refusal("ticks=3000", "ticks=3x").contains("ticks=3x"));
    assert!(refusal("unit=instructions", "unit=fathoms").contains("fathoms"));
    assert!(refusal("ffn\"", "ffn").contains("quote of name does not end"));
    assert!(refusal("frames=2 ", "").contains("frames= is missing"));
    assert!(refusal("frames=2", "frames=0").contains("frames=0"));
    assert!(refusal("hello", "hrvit weather: rain").contains("older than the firmware"));
    assert!(refused("hello").contains("no `hrvit` line"));
}

#[test]
fn steps_do_not_take_longer_than_their_total() {
    let text = refused(LONGER_THAN_THE_TOTAL);
    for part in ["ticks=4294970000", "ticks=4100", "in cycles", "step 1, f, with 4294967000", "measure again"] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
    assert!(Log::parse(PROFILE.replace("ticks=4100", "ticks=4000").lines()).is_ok(), "nothing needs to lie between steps");
    assert!(refusal("ticks=4100", "ticks=3999").contains("ticks=4000 together, more than ticks=3999"));
    // Also where the program gave up later.
    assert!(refused(&format!("{LONGER_THAN_THE_TOTAL}\nhrvit error: code=9 stopped")).contains("ticks=4294970000"));
}

#[test]
fn sums_beyond_64_bits_are_still_sums() {
    let most = u64::MAX.to_string();
    let huge = PROFILE.replace("ticks=3000", &format!("ticks={most}")).replace("ticks=4100", &format!("ticks={most}"));
    assert!(refused(&huge).contains("ticks=18446744073709552615 together"), "{}", refused(&huge));
    // In 64 bits the sum is what the total says.
    let wrapped = PROFILE.replace("macs=6000", &format!("macs={most}")).replace("macs=6500", "macs=499");
    assert!(refused(&wrapped).contains("macs=18446744073709552115"), "{}", refused(&wrapped));
}

#[test]
fn a_total_of_zero_measured_nothing() {
    let still = PROFILE.replace("ticks=3000", "ticks=0").replace("ticks=1000", "ticks=0").replace("ticks=4100", "ticks=0");
    assert!(refused(&still).contains("ticks=0 (in instructions) after 2 steps"));
    // Programs that time nothing have no steps.
    let untimed = [line(0), "hrvit total: ticks=0 macs=6500 stack=4000 labels_crc=deadbeef", "hrvit selftest: PASS steps=2"];
    assert!(Log::parse(untimed).is_ok());
}

#[test]
fn a_log_that_ends_early_is_refused() {
    assert!(refusal("hrvit total", "hello total").contains("before `hrvit total`, after 2 of 2 steps"));
    assert!(refused(&[line(0), line(2)].join("\n")).contains("after 1 of 2 steps"));
    assert!(refusal("labels_crc=deadbeef", "labels_crc=dead").contains("may end inside of it"));
    assert!(refusal(" stack=0 labels_crc=deadbeef", "").contains("stack= is missing"));
    let lost = [line(0), line(2), line(4)].join("\n");
    assert!(refused(&lost).contains("1 of 2 steps"));
    // Cut in the last number.
    let verdict = [line(0), "hrvit total: ticks=0 macs=6500 stack=4000 labels_crc=deadbeef", "hrvit selftest: PASS steps=1"].join("\n");
    assert!(refused(&verdict).contains("compared 1 steps, `hrvit run` says steps=2"));
    assert!(refused("hrvit fault: kind=flip read=4 of=9\nhrvit error: code=12 read failed").contains("before `hrvit faults`"));
}

#[test]
fn a_log_without_its_beginning_is_refused() {
    assert!(refusal("hrvit run", "hello run").contains("beginning is missing"));
    assert!(refused(line(4)).contains("beginning is missing"));
    assert!(refusal("hrvit step: id=0", "hello: id=0").contains("expected step 0, found 1"));
}

#[test]
fn frames_and_logs_that_are_mixed_are_refused() {
    let again = refused(&[line(0), line(2), line(2), line(3), line(4)].join("\n"));
    assert!(again.contains("line 3 of the log: step 0 (stem) comes again after step 0") && again.contains("one run at a time"), "{again}");
    assert!(refused(&[line(0), line(2), line(3), line(2), line(4)].join("\n")).contains("step 0 (stem) comes again after step 1"));
    assert!(refused(&[line(0), line(0), line(2)].join("\n")).contains("`hrvit run` comes twice"));
    assert!(refusal("hello", line(4)).contains("step 0 comes after `hrvit total`"));
    assert!(refused(&format!("{PROFILE}\n{PROFILE}")).contains("`hrvit run` comes twice"));
    assert!(refused(&format!("{PROFILE}\n{}", line(4))).contains("`hrvit total` comes twice"));
    assert!(refused(&format!("{PROFILE}\n{}", line(2))).contains("after `hrvit total`"));
    assert!(refusal("steps=2", "steps=1").contains("step 1, but `hrvit run` says steps=1"));
}

#[test]
fn verdicts_and_errors_are_read() {
    let fail = Log::parse(["hrvit selftest: FAIL id=3 name=\"norm 1\" expected=00000001 found=00000002"]).unwrap();
    assert_eq!(fail.selftest, Some(SelfTest::Fail(Fail { id: 3, name: "norm 1".to_owned(), expected: Crc(1), found: Crc(2) })));
    let half = Log::parse(["hrvit drift: logits_ppm=312 differ=4 labels=49152", "hrvit selftest: PASS steps=0"]).unwrap();
    assert_eq!(half.drift, Some(Drift { logits_ppm: LogitsPpm(Some(312)), differ: 4, labels: 49152 }));
    let streamed = Log::parse(["hrvit drift: logits_ppm=- differ=0 labels=4096", "hrvit selftest: PASS steps=9"]).unwrap();
    assert_eq!(streamed.drift.unwrap().logits_ppm, LogitsPpm(None));
    let error = Log::parse(["hrvit error: code=3 the arena is too small"]).unwrap().error.unwrap();
    assert_eq!((error.code, error.text.as_str()), (3, "the arena is too small"));
    let kernel = "hrvit kernel: machine=m7 isa=dsp family=\"dense products\" file=gemm_s8/dsp.rs";
    let kernels = Log::parse([kernel, "hrvit conformance: machine=m7 isa=dsp cases=12 failures=1"]).unwrap();
    assert_eq!((kernels.conformance[0].cases, kernels.conformance[0].failures, kernels.text.as_slice()), (12, 1, [kernel.to_owned()].as_slice()));
    let faults = ["hrvit fault: kind=flip read=4 of=9", "hrvit error: code=12 read failed", "hrvit faults: PASS cases=1"];
    let log = Log::parse(faults).unwrap();
    assert_eq!((log.faults[0].fault.read, log.faults[0].error.as_ref().unwrap().code, log.faults_passed, log.error), (4, 12, Some(1), None));
    assert!(refused(&faults.join("\n").replace("cases=1", "cases=2")).contains("1 faults, `hrvit faults` says cases=2"));
}

#[test]
fn a_program_that_gave_up_may_leave_its_log_incomplete() {
    let log = Log::parse([line(0), line(2), "hrvit error: code=9 stopped"]).unwrap();
    assert_eq!((log.steps.len(), log.error.unwrap().code), (1, 9));
}

#[test]
fn a_program_that_gave_up_does_not_contradict_itself() {
    const ERROR: &str = "\nhrvit error: code=9 stopped";
    let some = PROFILE.replace("steps=2", "steps=3");
    assert!(Log::parse(format!("{some}{ERROR}").lines()).is_ok());
    assert!(refused(&format!("{}{ERROR}", PROFILE.replace("frames=2", "frames=0"))).contains("frames=0"));
    assert!(refused(&format!("{}{ERROR}", some.replace("macs=6500", "macs=6499"))).contains("macs=6499"));
    // In 64 bits the sum of some steps is less than the total.
    let most = u64::MAX.to_string();
    let wrapped = some.replace("macs=6000", &format!("macs={most}")).replace("macs=6500", &format!("macs={most}"));
    assert!(refused(&format!("{wrapped}{ERROR}")).contains("macs=18446744073709552115"));
}

#[test]
fn spreads_are_of_all_steps_or_of_none() {
    let of = |id| format!("\nhrvit spread: id={id} mean=1500 deviation=2 least=1499 most=1501");
    let latency = "\nhrvit latency: cold=4000 mean=2050 deviation=1 least=2049 most=2051";
    let log = Log::parse(format!("{PROFILE}{}{}{latency}", of(0), of(1)).lines()).unwrap();
    assert_eq!((log.spreads.len(), log.spreads[1].most, log.latency.unwrap().cold), (2, 1501, 4000));
    assert!(refused(&format!("{PROFILE}{}", of(0))).contains("1 of 2 steps"));
    assert!(refused(&format!("{PROFILE}{}", of(1))).contains("step"));
    assert!(refused(&format!("{PROFILE}{latency}{latency}")).contains("latency"));
}

#[test]
fn frames_beside_the_golden_one_are_kept_and_questions_are_not() {
    let more = "\nhrvit want: frame=0 row=0 bytes=768 rows=192\nhrvit labels: frame=0 row=0 column=0 runs=200x1,56x0\n\
                hrvit frame: source=serial number=0 size=192x256 ticks=77 labels_crc=0000abcd";
    let log = Log::parse(format!("{PROFILE}{more}").lines()).unwrap();
    assert_eq!((log.frames.len(), log.frames[0].source.as_str(), log.frames[0].labels_crc), (1, "serial", Crc(0xabcd)));
    assert_eq!(log.text, ["hello"]);
    assert!(refused(&format!("{PROFILE}\nhrvit want: frame=0 row=x bytes=768 rows=192")).contains("row=x"));
}
