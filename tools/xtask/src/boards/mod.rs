//! `cargo xtask boards`: boots the programs of boards in an emulator, unmodified and with faults
//! put into their register writes. Checks the start-up that runs on the host.

mod emulator;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use comfy_table::{CellAlignment, ContentArrangement};
use hrvit_log::{Pass, SelfTest};

use crate::firmware::build::{self, Plan, target_folder};
use crate::hrvit::{Hrvit, path_text};
use crate::made::Made;
use crate::tables::table;
use crate::{command, install, machines, n6_image};
pub use emulator::{Case, Emulator};
use emulator::{Marks, Outcome};

/// Boards that the emulator knows, with the bytes that their flash has for a model image.
pub const EMULATED: [(&str, u64); 2] = [("rp2350", 3 << 20), ("stm32h747i-disco", 64 << 20)];
/// Frames of `b1` that the memory of STM32N6570-DK holds, with the features that this takes.
const LARGEST: [(&str, &[&str]); 2] = [("512x512", &[]), ("576x640", &["large-arena"])];
/// Seconds in which a start-up without a model image has ended, on any machine.
const START_UP: u32 = 10;

/// End of one boot.
struct Row {
    board: &'static str,
    what: String,
    ended: String,
    fine: bool,
}

/// Frames that are sent to a board's program.
const FRAMES: [&str; 1] = ["data/val/images/0016E5_08023.jpg"];

/// Checks what this machine can check, prints the table, and says what it could not. With `all` the
/// programs of other features are booted too: `repeat`, and `segment`, which takes frames from
/// behind the image and over the serial port.
///
/// # Errors
/// If a program does not build or ends otherwise than it must.
pub fn run(root: &Path, all: bool) -> Result<Made> {
    // Plans, programs and the start-up of STM32N6570-DK, against the model of its chip.
    let mut tests = Command::new("cargo");
    tests.current_dir(root.join("firmware")).env("CARGO_TARGET_DIR", target_folder(root).join("firmware")).args(["test", "--locked", "--quiet"]);
    command::succeed(&mut tests)?;
    println!("stm32n6570-dk, image for the boot ROM: {}", n6_image::check(&program(root, "stm32n6570-dk", "selftest", &Plan::default())?)?);
    if all {
        let nominal = program(root, "stm32n6570-dk", "selftest", &Plan { features: &["nominal", "repeat"], ..Plan::default() })?;
        println!("stm32n6570-dk with features nominal and repeat: {}", n6_image::check(&nominal)?);
        for (size, features) in LARGEST {
            let b1 = Plan { variant: Some("b1".to_owned()), classes: Some("19".to_owned()), size: Some(size.to_owned()), features, ..Plan::default() };
            program(root, "stm32n6570-dk", "segment", &b1)?;
            println!("stm32n6570-dk: b1 fits at {size}, features {features:?}");
        }
    }
    let emulator = match Emulator::find(root)? {
        Ok(emulator) => emulator,
        Err(missing) => return Ok(Made::Part(EMULATED.iter().map(|(board, _)| format!("{board} booted in an emulator: {missing}")).collect())),
    };
    let hrvit = Hrvit::build(root)?;
    let good = hrvit.model(&Plan::default(), "rows")?;
    let flipped = flipped(root, &good)?;
    // The boards' programs have the same names: one is copied before the next is built.
    let elves = EMULATED.map(|(board, _)| program(root, board, "selftest", &Plan::default())).into_iter().collect::<Result<Vec<_>>>()?;
    let rows = thread::scope(|scope| {
        let run = |(board, elf): (&'static str, &PathBuf)| {
            let (emulator, hrvit, good, flipped, elf) = (&emulator, &hrvit, &good, &flipped, elf.clone());
            scope.spawn(move || boot(board, &elf, emulator, hrvit, good, flipped))
        };
        let running: Vec<_> = EMULATED.into_iter().map(|(board, _)| board).zip(&elves).map(run).collect();
        running.into_iter().map(|board| board.join().map_err(|_| anyhow!("a thread panicked"))?).collect::<Result<Vec<_>>>()
    })?;
    let mut rows: Vec<Row> = rows.into_iter().flatten().collect();
    if all {
        for (board, _) in EMULATED {
            rows.push(begins_again(root, board, &emulator)?);
            rows.push(own_frames(root, board, &emulator, &hrvit, &good)?);
        }
    }
    let mut table = table(&["board", "what", "ended"]);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(180);
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Left);
    }
    for row in &rows {
        table.add_row([row.board, &row.what, &row.ended]);
    }
    println!("{table}");
    let wrong: Vec<String> = rows.iter().filter(|row| !row.fine).map(|row| format!("{}, {}: {}", row.board, row.what, row.ended)).collect();
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(Made::All)
}

/// A program with feature `repeat` without an image: blinks its code, then resets the board.
fn begins_again(root: &Path, board: &'static str, emulator: &Emulator) -> Result<Row> {
    let elf = program(root, board, "selftest", &Plan { features: &["repeat"], ..Plan::default() })?;
    let outcome = emulator.boot(&Case { debugger: false, past_blinking: true, ..Case::new(board, &elf) })?;
    Ok(Row { board, what: "feature repeat, no model image, without a debugger".to_owned(), ended: outcome.to_string(), fine: outcome.begins_again })
}

/// `segment` with a frame behind the image, and the same one over the serial port.
fn own_frames(root: &Path, board: &'static str, emulator: &Emulator, hrvit: &Hrvit, good: &Path) -> Result<Row> {
    let elf = program(root, board, "segment", &Plan::default())?;
    let clip = target_folder(root).join("models/boards_clip.hrvit");
    command::succeed(hrvit.command(&["pack-clip", "--model", path_text(good)?, "--out", path_text(&clip)?]).args(FRAMES))?;
    let case = Case { model: Some(&clip), debugger: false, ..Case::new(board, &elf) };
    let (outcome, sent) = emulator.sending(&case, hrvit, good, &FRAMES, &target_folder(root).join("own_frames").join(board))?;
    let Marks { step, frame } = outcome.marks;
    let ended = format!("{outcome}; {sent}; markers rose {frame} and {step} times");
    // The golden frame, those behind the image, those sent, and the wait for one more; steps that
    // take turns share one rise.
    let marked = frame as usize == 2 + 2 * FRAMES.len() && step > 10 * frame;
    let fine = outcome.sleeps && outcome.lights.good && sent.is_fine(FRAMES.len()) && marked;
    Ok(Row { board, what: "segment without a debugger: a frame behind the image, and over the serial port".to_owned(), ended, fine })
}

/// A program of the board, in a place of its own.
///
/// # Errors
/// If it does not build.
pub fn program(root: &Path, board: &str, name: &str, plan: &Plan) -> Result<PathBuf> {
    let boards = machines::boards(root)?;
    let target = &boards.iter().find(|found| found.package == board).with_context(|| format!("no board {board}"))?.target;
    install::targets(root, &[target])?;
    eprintln!("building {name} of {board}");
    let program = build::build(root, board, target, plan, Some(name))?.into_iter().next().with_context(|| format!("cargo built no {name}"))?;
    let folder = target_folder(root).join("boards");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let elf = folder.join(format!("{board}-{}.elf", [&[name], plan.features].concat().join("-")));
    std::fs::copy(&program.elf, &elf).with_context(|| format!("copying to {}", elf.display()))?;
    Ok(elf)
}

/// `model` with one bit of its weights flipped.
fn flipped(root: &Path, model: &Path) -> Result<PathBuf> {
    let mut bytes = std::fs::read(model).with_context(|| format!("reading {}", model.display()))?;
    let middle = bytes.len() / 2;
    *bytes.get_mut(middle).context("the model image is empty")? ^= 1;
    let path = target_folder(root).join("models/flipped.hrvit");
    std::fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

/// Boots `elf` in every way.
fn boot(board: &'static str, elf: &Path, emulator: &Emulator, hrvit: &Hrvit, good: &Path, flipped: &Path) -> Result<Vec<Row>> {
    let (modes, mutations) = emulator.knows(board)?;
    let (first, last) = (modes.first().context("a flash has a mode")?, modes.last().context("a flash has a mode")?);
    let mut rows = Vec::new();
    let mut row = |what: String, outcome: &Outcome, fine: bool| rows.push(Row { board, what, ended: outcome.to_string(), fine });
    let whole = emulator.boot(&Case { model: Some(good), mode: Some(first), ..Case::new(board, elf) })?;
    row(format!("self-test, flash left in {first}"), &whole, whole.code == Some(0));
    // Nobody attached: the result over the serial port and on an LED.
    let serial = elf.with_extension("serial");
    let alone = emulator.boot(&Case { model: Some(good), mode: Some(last), serial: Some(&serial), debugger: false, ..Case::new(board, elf) })?;
    let heard = emulator.over_a_port(hrvit, elf, &serial)?;
    let passed = matches!(heard.selftest, Some(SelfTest::Pass(Pass { steps })) if steps > 0) && heard.end == Some(0);
    row(format!("self-test without a debugger, flash left in {last}: log over the serial port"), &alone, alone.sleeps && alone.lights.good && passed);
    let damaged = emulator.boot(&Case { model: Some(flipped), ..Case::new(board, elf) })?;
    row("one bit of the model image flipped".to_owned(), &damaged, damaged.code == Some(2));
    let blinking = emulator.boot(&Case { debugger: false, ..Case::new(board, elf) })?;
    row("no model image, without a debugger".to_owned(), &blinking, blinking.blinks);
    for mode in &modes {
        let blank = emulator.boot(&Case { mode: Some(mode), seconds: Some(START_UP), ..Case::new(board, elf) })?;
        row(format!("no model image, flash left in {mode}: log for the debugger and over the serial port"), &blank, blank.code == Some(5) && blank.same_log);
    }
    for mutation in &mutations {
        // A fault may show in one mode of the flash only.
        let case = |mode| Case { mode: Some(mode), mutation: Some(mutation), seconds: Some(START_UP), ..Case::new(board, elf) };
        let mut outcome = emulator.boot(&case(first))?;
        for mode in &modes[1..] {
            if outcome.code == Some(5) {
                outcome = emulator.boot(&case(mode))?;
            }
        }
        row(format!("fault: {mutation}"), &outcome, outcome.code != Some(5) && !outcome.stuck);
    }
    Ok(rows)
}
