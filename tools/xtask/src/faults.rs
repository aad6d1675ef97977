//! `cargo xtask faults`: images that must not boot, a processor's fault and a flash that fails, on
//! every emulated machine and board. Each must end with its exit code.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, anyhow};
use comfy_table::{CellAlignment, ContentArrangement};
use hrvit_log::{Log, MadeFault, Pass, SelfTest, SlotRefused};
use object::{Object, ObjectSection, ObjectSymbol};

use crate::boards::{self, Emulator};
use crate::firmware::build::{self, FAULTS, Plan, Precision, Weights, target_folder};
use crate::hrvit::Hrvit;
use crate::machines::{MACHINES, Machine, PI, TWO_M33, machine};
use crate::tables::table;
use crate::{marked, qemu};

/// The page with the table, relative to the root.
const PAGE: &str = "firmware/README.md";
/// Begin and end of the table on it.
const MARKS: [&str; 2] = ["<!-- found by cargo xtask faults -->", "<!-- end of what is found -->"];
/// An input size that a program planned for 192x256 has no arena for.
const LARGER: &str = "224x288";
/// Offsets of the format's version in an image, and of a part of its first bytes that a CRC covers.
const VERSION_AT: usize = 8;
const SEQUENCE_AT: usize = 16;

/// The machine whose images are those of the boards that are emulated.
const LIKE_BOARDS: &str = "m33";

/// Something that goes wrong.
struct Case {
    /// The fault.
    name: &'static str,
    /// Images and their addresses.
    images: Vec<(u32, PathBuf)>,
    /// The exit code that the program must end with.
    code: u8,
}

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    case: String,
    /// Machines where it ended so.
    machines: Vec<&'static str>,
    code: u8,
    expected: u8,
    /// The log's words for it.
    said: String,
}

/// Runs every case on every machine, prints the table and writes it into the page. Returns what
/// ended otherwise than it must.
///
/// # Errors
/// If something is missing and cannot be installed, does not build, or a log cannot be decoded.
pub fn run(root: &Path) -> Result<Vec<String>> {
    qemu::install(root, &MACHINES.iter().chain([&PI]).collect::<Vec<_>>())?;
    let rows = rows(root, &Hrvit::build(root)?, Extent::All)?;
    marked::write(root, PAGE, MARKS, &markdown(&rows)?)?;
    Ok(rows.iter().filter_map(complaint).collect())
}

/// Runs the cases that need no program and no model beyond those of the self-tests, and prints the
/// table. Returns what ended otherwise than it must.
///
/// # Errors
/// As [`run`].
pub fn check(root: &Path, hrvit: &Hrvit) -> Result<Vec<String>> {
    Ok(rows(root, hrvit, Extent::Quick)?.iter().filter_map(complaint).collect())
}

/// Which cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// Faults of the self-test's program with its own model.
    Quick,
    /// Faults of embedded and streamed weights too, and a larger model.
    All,
}

/// The cases on every machine, printed. Machines run side by side.
fn rows(root: &Path, hrvit: &Hrvit, extent: Extent) -> Result<Vec<Row>> {
    // Machines share images: none is made twice at a time.
    let machines: Vec<&Machine> = if extent == Extent::All { MACHINES.iter().chain([&PI]).collect() } else { MACHINES.iter().collect() };
    let images = machines.iter().map(|machine| Images::make(root, hrvit, machine, extent)).collect::<Result<Vec<_>>>()?;
    let of_each = thread::scope(|scope| {
        let run = |(machine, images): (&&'static Machine, _)| {
            let machine: &'static Machine = machine;
            scope.spawn(move || on(root, hrvit, machine, images, extent))
        };
        let running: Vec<_> = machines.iter().zip(&images).map(run).collect();
        running.into_iter().map(|machine| machine.join().map_err(|_| anyhow!("a thread panicked"))?).collect::<Result<Vec<_>>>()
    })?;
    let mut rows = of_each.concat();
    if extent == Extent::All {
        let images = machines.iter().zip(&images).find(|(machine, _)| machine.name == LIKE_BOARDS).map(|(_, images)| images);
        let images = images.with_context(|| format!("no machine {LIKE_BOARDS}"))?;
        // Its programs replace those of its brother with one core.
        rows.extend(on(root, hrvit, &TWO_M33, images, extent)?);
        rows.extend(on_boards(root, hrvit, images)?);
    }
    let rows = merged(rows);
    let mut table = table(&["what is wrong", "exit code", "machines", "log"]);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(180);
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Left);
    }
    for row in &rows {
        table.add_row([&row.case, &row.code.to_string(), &row.machines.join(" "), &row.said]);
    }
    println!("{table}");
    Ok(rows)
}

/// The cases of images on the boards that Unicorn emulates; what it lacks is said.
fn on_boards(root: &Path, hrvit: &Hrvit, images: &Images) -> Result<Vec<Row>> {
    let emulator = match Emulator::find(root)? {
        Ok(emulator) => emulator,
        Err(missing) => {
            println!("SKIPPED boards: {missing}");
            return Ok(Vec::new());
        }
    };
    let mut rows = Vec::new();
    for (board, room) in boards::EMULATED {
        let elf = boards::program(root, board, "selftest", &Plan::default())?;
        let log = elf.with_extension("faults");
        for Case { name, images, code: expected } in images.refused(machine(LIKE_BOARDS).context("no such machine")?) {
            let image = images.first().map(|(_, image)| image.as_path());
            if image.is_some_and(|image| image.metadata().is_ok_and(|metadata| metadata.len() > room)) {
                continue;
            }
            let outcome = emulator.boot(&boards::Case { model: image, serial: Some(&log), ..boards::Case::new(board, &elf) })?;
            let code = outcome.code.with_context(|| format!("{name} on {board}: {outcome}"))?;
            rows.extend(of_log(name, board, code, expected, &qemu::said(hrvit, &elf, &qemu::Ended { code, log: log.clone() })?));
        }
    }
    Ok(rows)
}

/// The cases on one machine.
fn on(root: &Path, hrvit: &Hrvit, machine: &'static Machine, images: &Images, extent: Extent) -> Result<Vec<Row>> {
    let program = |weights: Weights, name: &str| -> Result<PathBuf> {
        let plan = Plan { weights, features: machine.features, ..Plan::default() };
        let programs = build::build(root, machine.package, machine.target, &plan, Some(name))?;
        Ok(programs.into_iter().next().with_context(|| format!("{} has no program {name}", machine.package))?.elf)
    };
    let mut rows = Vec::new();
    let mut try_all = |elf: &Path, prefix: &str, cases: Vec<Case>| -> Result<()> {
        for Case { name, images, code: expected } in cases {
            let loaded: Vec<(u32, &Path)> = images.iter().map(|(address, image)| (*address, image.as_path())).collect();
            let ended = qemu::emulate(root, machine, elf, &loaded, false)?;
            let log = qemu::said(hrvit, elf, &ended)?;
            rows.extend(of_log(&format!("{prefix}{name}"), machine.name, ended.code, expected, &log));
        }
        Ok(())
    };
    let mapped = program(Weights::Mapped, "selftest")?;
    try_all(&mapped, "", images.mapped(machine))?;
    let undefined = undefined_main(&mapped)?;
    try_all(&undefined, "", vec![Case { name: "an undefined instruction", images: Vec::new(), code: 1 }])?;
    if extent == Extent::Quick {
        return Ok(rows);
    }
    let embedded = program(Weights::Embedded(images.good.clone()), "selftest")?;
    try_all(&embedded, "embedded: ", vec![Case { name: "nothing", images: Vec::new(), code: 0 }])?;
    try_all(&program(Weights::Streamed, "selftest")?, "streamed: ", images.streamed(machine))?;
    let good = vec![(machine.image_at, images.good.clone())];
    try_all(&program(Weights::Streamed, FAULTS)?, "", vec![Case { name: "a serial flash that fails", images: good, code: 0 }])?;
    Ok(rows)
}

/// Images that are made for the cases.
struct Images {
    good: PathBuf,
    weights: PathBuf,
    header: PathBuf,
    version: PathBuf,
    half: PathBuf,
    packed: PathBuf,
    fp16: PathBuf,
    larger: Option<PathBuf>,
}

impl Images {
    fn make(root: &Path, hrvit: &Hrvit, machine: &Machine, extent: Extent) -> Result<Self> {
        let good = hrvit.model(&Plan::default(), machine.layout)?;
        let bytes = std::fs::read(&good).with_context(|| format!("reading {}", good.display()))?;
        let folder = target_folder(root).join("models/faulty");
        std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let write = |name: &str, bytes: &[u8]| -> Result<PathBuf> {
            let path = folder.join(format!("{name}.{}.hrvit", machine.layout));
            std::fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
            Ok(path)
        };
        let flipped = |at: usize| -> Result<Vec<u8>> {
            let mut bytes = bytes.clone();
            *bytes.get_mut(at).with_context(|| format!("{} ends before byte {at}", good.display()))? ^= 0x10;
            Ok(bytes)
        };
        let half = bytes.len() / 2;
        let larger = Plan { size: Some(LARGER.to_owned()), ..Plan::default() };
        Ok(Self {
            weights: write("weights", &flipped(half)?)?,
            header: write("header", &flipped(SEQUENCE_AT)?)?,
            version: write("version", &flipped(VERSION_AT)?)?,
            half: write("half", &bytes[..half])?,
            packed: hrvit.model(&Plan::default(), if machine.layout == "k8" { "rows" } else { "k8" })?,
            fp16: hrvit.model(&Plan { precision: Precision::Fp16, ..Plan::default() }, machine.layout)?,
            larger: if extent == Extent::All { Some(hrvit.model(&larger, machine.layout)?) } else { None },
            good,
        })
    }

    /// Faults of an image that is read in place.
    fn mapped(&self, machine: &Machine) -> Vec<Case> {
        let mut cases = self.refused(machine);
        if let Some(slot) = machine.second_image_at {
            let images = vec![(machine.image_at, self.good.clone()), (slot, self.half.clone())];
            cases.push(Case { name: "an update in slot B, cut off half way", images, code: 0 });
        }
        cases
    }

    /// Faults of an image that is paged in.
    fn streamed(&self, machine: &Machine) -> Vec<Case> {
        let nothing_wrong = Case { name: "nothing", images: vec![(machine.image_at, self.good.clone())], code: 0 };
        std::iter::once(nothing_wrong).chain(self.refused(machine)).collect()
    }

    fn refused(&self, machine: &Machine) -> Vec<Case> {
        let one = |name, image: &Path, code| Case { name, images: vec![(machine.image_at, image.to_path_buf())], code };
        // A processor with matrix multiplication has kernels for every packing.
        let foreign = if machine.isas.contains(&"neon_i8mm") { 0 } else { 4 };
        let mut cases = vec![
            Case { name: "no image", images: Vec::new(), code: 5 },
            one("one bit of the weights", &self.weights, 2),
            one("one bit of the first 64 bytes", &self.header, 2),
            one("cut off half way", &self.half, 2),
            one("another format version", &self.version, 3),
            one("packed for another processor", &self.packed, foreign),
            one("in half precision, for which the program has no code", &self.fp16, 7),
        ];
        cases.extend(self.larger.iter().map(|larger| one("made for larger frames", larger, 6)));
        cases
    }
}

/// A copy of the program whose `main` begins with an instruction that no processor has.
fn undefined_main(elf: &Path) -> Result<PathBuf> {
    let mut bytes = std::fs::read(elf).with_context(|| format!("reading {}", elf.display()))?;
    let file = object::File::parse(&*bytes).with_context(|| format!("{} is no ELF file", elf.display()))?;
    // The lowest bit of a function's address says Thumb.
    let main = file.symbol_by_name("main").with_context(|| format!("{} has no main", elf.display()))?.address() & !1;
    let offset = file.sections().find_map(|section| {
        let (start, _) = section.file_range().filter(|_| (section.address()..section.address() + section.size()).contains(&main))?;
        Some(start + main - section.address())
    });
    let at = usize::try_from(offset.with_context(|| format!("main of {} lies in no section", elf.display()))?)?;
    // Twice `udf #0` for Thumb, once for AArch64.
    let undefined = if file.architecture() == object::Architecture::Arm { [0x00, 0xde, 0x00, 0xde] } else { [0; 4] };
    bytes.get_mut(at..at + 4).with_context(|| format!("main of {} lies outside of the file", elf.display()))?.copy_from_slice(&undefined);
    let copy = elf.with_file_name("undefined");
    std::fs::write(&copy, bytes).with_context(|| format!("writing {}", copy.display()))?;
    Ok(copy)
}

/// The rows of one program's log: one, and one more for each kind of fault that it made itself.
fn of_log(case: &str, machine: &'static str, code: u8, expected: u8, log: &Log) -> Vec<Row> {
    let row = |case: String, code, expected, said| Row { case, machines: vec![machine], code, expected, said };
    let mut rows = Vec::new();
    let kinds: BTreeSet<&str> = log.faults.iter().map(|made| made.fault.kind.as_str()).collect();
    for kind in kinds {
        let of_kind: Vec<&MadeFault> = log.faults.iter().filter(|made| made.fault.kind == kind).collect();
        let reads: Vec<String> = of_kind.iter().map(|made| made.fault.read.to_string()).collect();
        rows.push(row(format!("{case}: {kind} at reads {}", reads.join(", ")), code, expected, distinct(&of_kind)));
    }
    let said = match (&log.error, log.faults_passed, &log.selftest) {
        (Some(error), ..) => without_addresses(&error.text),
        (None, Some(cases), _) => format!("PASS: {cases} faults ended in errors, the same labels after them"),
        (None, None, Some(SelfTest::Pass(Pass { steps }))) => {
            format!("PASS: {steps} steps as on the host, weights {}", log.run.as_ref().map_or("?", |run| &run.weights))
        }
        (None, None, _) => "nothing".to_owned(),
    };
    let is_slot_b = |line: &str| line.parse().is_ok_and(|SlotRefused::<String, String> { slot, .. }| slot == "B");
    let slots = log.text.iter().filter(|line| is_slot_b(line) && code == 0);
    rows.push(row(case.to_owned(), code, expected, slots.map(|line| format!("{line}; ")).collect::<String>() + &said));
    rows
}

/// The text without what differs from build to build: numbers of eight and more hexadecimal digits.
fn without_addresses(text: &str) -> String {
    let is_address = |word: &str| word.len() >= 8 && word.chars().all(|c| c.is_ascii_hexdigit());
    let words = text.split_inclusive([' ', ',']).map(|word| {
        let bare = word.trim_end_matches([' ', ',']);
        if is_address(bare) { word.replace(bare, "...") } else { word.to_owned() }
    });
    words.collect()
}

/// The errors that faults ended in, each once, with its code.
fn distinct(faults: &[&MadeFault]) -> String {
    let mut found: Vec<String> = Vec::new();
    for fault in faults {
        let text = fault.error.as_ref().map_or_else(|| "no error".to_owned(), |error| format!("{}: {}", error.code, error.text));
        if !found.contains(&text) {
            found.push(text);
        }
    }
    found.join("; ")
}

/// Rows that differ in the machine only, as one; in the order of the cases of the machine that has
/// most.
fn merged(rows: Vec<Row>) -> Vec<Row> {
    let mut merged: Vec<Row> = Vec::new();
    for row in rows {
        match merged.iter_mut().find(|other| (&other.case, other.code, &other.said) == (&row.case, row.code, &row.said)) {
            Some(other) => other.machines.extend(row.machines),
            None => {
                let after = merged.iter().rposition(|other| other.case == row.case).map_or(merged.len(), |at| at + 1);
                merged.insert(after, row);
            }
        }
    }
    merged
}

fn markdown(rows: &[Row]) -> Result<String> {
    let mut text = "| what is wrong | exit code | machines | the log says |\n|---|---:|---|---|\n".to_owned();
    for Row { case, machines, code, said, .. } in rows {
        writeln!(text, "| {case} | {code} | {} | {said} |", machines.join(", "))?;
    }
    Ok(text)
}

fn complaint(row: &Row) -> Option<String> {
    let Row { case, machines, code, expected, said } = row;
    (code != expected).then(|| format!("{} on {}: ended with code {code}, expected {expected}; the log says {said}", case, machines.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(case: &str, machine: &'static str, code: u8, said: &str) -> Row {
        Row { case: case.to_owned(), machines: vec![machine], code, expected: 2, said: said.to_owned() }
    }

    #[test]
    fn machines_that_end_alike_share_a_row_and_others_stand_beside() {
        let rows = merged(vec![row("bit", "m7", 2, "crc"), row("none", "m7", 2, "no image"), row("bit", "m55", 2, "crc"), row("bit", "a64", 5, "crc")]);
        let found: Vec<_> = rows.iter().map(|row| (row.case.as_str(), row.machines.as_slice())).collect();
        assert_eq!(found, [("bit", ["m7", "m55"].as_slice()), ("bit", &["a64"]), ("none", &["m7"])]);
    }

    #[test]
    fn addresses_are_left_out_and_other_numbers_stay() {
        assert_eq!(without_addresses("fault at 00003f14, called from 000007fd"), "fault at ..., called from ...");
        assert_eq!(without_addresses("needs 278784 bytes, found 216960"), "needs 278784 bytes, found 216960");
    }

    #[test]
    fn another_exit_code_is_a_complaint() {
        assert_eq!(complaint(&row("bit", "m7", 2, "crc")), None);
        let text = complaint(&row("bit", "m7", 0, "PASS")).unwrap();
        for part in ["bit on m7", "code 0", "expected 2", "PASS"] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
    }
}
