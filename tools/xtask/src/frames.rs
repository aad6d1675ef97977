//! `cargo xtask frames`: frames other than the golden one on emulated machines, those of a camera
//! too, and a profile of several frames.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use hrvit_log::{Crc, Framed, Latency};
use serde::Deserialize;

use crate::command;
use crate::count::processors::parse_processor;
use crate::firmware::build::{self, Plan, target_folder};
use crate::hrvit::{Hrvit, path_text};
use crate::machines::{Machine, machine};
use crate::qemu;

/// Machines, whose serial ports differ; the first one is the one that `cargo xtask test` has time
/// for.
const MACHINES: [&str; 3] = ["m33", "m55", "m7"];
/// The machine that profiles several frames, and how many.
const PROFILED: (&str, u32) = ("m33", 3);
const SIZE: &str = "64x96";
/// Frames of your own: a picture of another size each, which is not the golden one.
const FRAMES: [&str; 2] = ["data/val/images/0016E5_08023.jpg", "data/val/images/0016E5_07975.jpg"];

/// Columns and rows of a camera's frames.
const CAMERA: (usize, usize) = (1280, 720);
/// Processors on which a camera's frame of nano at 192x256 is counted, and the percent of the
/// network's instructions that its rows may take.
const COUNTED: [(&str, u64); 2] = [("m55", 8), ("a76", 8)];

/// Report of `hrvit run --json` on a frame.
#[derive(Debug, Deserialize)]
struct Run {
    labels_crc: Crc,
}

/// Report of `hrvit send --json` on a frame.
#[derive(Debug, Deserialize)]
struct Frame {
    labels_crc: Crc,
    differ: usize,
}

/// Results of frames that were sent, and of those that the program found behind its image.
#[derive(Debug)]
pub struct Sent {
    sent: Vec<Frame>,
    behind: Vec<Crc>,
}

impl Sent {
    /// Sends `frames` to the program `elf` over `port`; labels go to `out`.
    ///
    /// # Errors
    /// If `hrvit send` fails.
    pub fn over(port: &str, hrvit: &Hrvit, (elf, model): (&Path, &Path), frames: &[&str], out: &Path) -> Result<Self> {
        std::fs::create_dir_all(out).with_context(|| format!("making {}", out.display()))?;
        let words = ["send", "--json", "--serial", port, "--elf", path_text(elf)?, "--model", path_text(model)?, "--out", path_text(out)?];
        let sending = command::output(hrvit.command(&words).args(frames))?;
        let log = String::from_utf8_lossy(&sending.stderr).into_owned();
        ensure!(sending.status.success(), "$ hrvit {}\n{}", words.join(" "), log.trim_end());
        let framed = log.lines().filter_map(|line| line.parse().ok()).filter(|framed: &Framed<String>| framed.source == "clip");
        let behind = framed.map(|framed| framed.labels_crc).collect();
        Ok(Self { sent: serde_json::from_slice(&sending.stdout).context("hrvit send --json prints a list")?, behind })
    }

    /// Whether so many frames have the host's labels, both ways.
    pub fn is_fine(&self, frames: usize) -> bool {
        self.sent.len() == frames
            && self.sent.iter().all(|frame| frame.differ == 0)
            && self.sent.iter().map(|frame| frame.labels_crc).eq(self.behind.iter().copied())
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Frame { labels_crc, differ } in &self.sent {
            write!(f, "sent {labels_crc} ({differ} labels are not the host's) ")?;
        }
        self.behind.iter().try_for_each(|crc| write!(f, "behind the image {crc} "))
    }
}

/// Runs a frame of NV12 in the memory of a machine's camera. Returns labels that are not those of
/// `hrvit run --raw`, and rows that take more than `most` percent of the network's instructions.
fn camera(root: &Path, hrvit: &Hrvit, machine: &Machine, plan: &Plan, most: Option<u64>) -> Result<Vec<String>> {
    let (name, image) = (machine.name, hrvit.model(plan, machine.layout)?);
    let address = machine.camera_at.with_context(|| format!("{name} has no camera"))?;
    let elf = program(root, machine, &Plan { features: &["camera"], ..plan.clone() }, "segment")?;
    let (raw, expected) = shaded(root, hrvit, &image, CAMERA)?;
    let ended = qemu::emulate(root, machine, &elf, &[(machine.image_at, &image), (address, &raw)], most.is_some())?;
    let log = qemu::said(hrvit, &elf, &ended)?;
    let found = log.frames.iter().find(|framed| framed.source == "camera");
    let (Some(Framed { labels_crc, ticks, .. }), Some(golden)) = (found, &log.total) else {
        return Ok(vec![format!("{name}: no frame of the camera in the log; code {}", ended.code)]);
    };
    println!("{name}: labels of a camera's frame {labels_crc}, on the host {expected}");
    let mut wrong = Vec::new();
    if ended.code != 0 || *labels_crc != expected {
        wrong.push(format!("{name}: a camera's frame has the labels {labels_crc}, expected {expected}; code {}", ended.code));
    }
    if let Some(most) = most {
        let rows = ticks.saturating_sub(golden.ticks);
        let percent = 100.0 * rows as f64 / golden.ticks as f64;
        println!("{name}: rows of a camera's frame take {rows} instructions, {percent:.2} % of the network's {}", golden.ticks);
        if rows == 0 || rows * 100 > golden.ticks * most {
            wrong.push(format!("{name}: rows of a camera's frame take {rows} of {} instructions: expected 1 or more, {most} % at most", golden.ticks));
        }
    }
    Ok(wrong)
}

/// A file with a frame of NV12, and the CRC of its labels from `hrvit run`.
///
/// # Errors
/// If it cannot be written or run.
pub fn shaded(root: &Path, hrvit: &Hrvit, image: &Path, (width, height): (usize, usize)) -> Result<(PathBuf, Crc)> {
    let folder = target_folder(root).join("own_frames").join("camera");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let raw = folder.join(format!("{width}x{height}.nv12"));
    std::fs::write(&raw, shading(width, height)).with_context(|| format!("writing {}", raw.display()))?;
    let format = format!("nv12:{width}x{height}");
    let words = ["run", "--json", "--model", path_text(image)?, "--resize", "stretch", "--raw", &format, "--out", path_text(&folder)?, path_text(&raw)?];
    let reports: Vec<Run> = serde_json::from_str(&command::succeed(&mut hrvit.command(&words))?).context("hrvit run --json prints a list")?;
    Ok((raw, reports.first().context("hrvit run --json says a frame")?.labels_crc))
}

/// A frame of NV12 that shades from dark to light, with edges and colours.
fn shading(width: usize, height: usize) -> Vec<u8> {
    let luma = (0..height).flat_map(|y| (0..width).map(move |x| (40 + x * 100 / width + y * 60 / height + (x / 64 + y / 48) % 3 * 20) as u8));
    let chroma = (0..height / 2).flat_map(|y| (0..width).map(move |x| (96 + (x % 2 + 1) * 40 * (x + y) / (width + height)) as u8));
    luma.chain(chroma).collect()
}

/// Sends frames to the first machine; returns what is wrong.
///
/// # Errors
/// As [`run`].
pub fn check(root: &Path) -> Result<Vec<String>> {
    run(root, false)
}

/// Sends frames to the first machine, or to all, and runs a camera's frame there. For all, counts
/// the rows of a camera's frame and profiles several frames then. Returns what is wrong.
///
/// # Errors
/// If something is missing and cannot be installed, does not build, or a program fails.
pub fn run(root: &Path, all: bool) -> Result<Vec<String>> {
    let found = |name: &&str| machine(name).with_context(|| format!("no machine {name}"));
    let machines = MACHINES.iter().take(if all { MACHINES.len() } else { 1 }).map(found).collect::<Result<Vec<_>>>()?;
    qemu::install(root, &machines)?;
    let hrvit = Hrvit::build(root)?;
    let plan = Plan { size: Some(SIZE.to_owned()), ..Plan::default() };
    let image = hrvit.model(&plan, "rows")?;
    let clip = target_folder(root).join("models/own_frames.hrvit");
    command::succeed(hrvit.command(&["pack-clip", "--model", path_text(&image)?, "--out", path_text(&clip)?]).args(FRAMES))?;
    let mut wrong = Vec::new();
    for machine in &machines {
        wrong.extend(own_frames(root, &hrvit, machine, &plan, &image, &clip)?);
        wrong.extend(camera(root, &hrvit, machine, &plan, None)?);
    }
    if all {
        for (name, most) in COUNTED {
            wrong.extend(camera(root, &hrvit, &parse_processor(name)?.machine()?, &Plan::default(), Some(most))?);
        }
        wrong.extend(several(root, &hrvit, &plan, &image)?);
    }
    Ok(wrong)
}

/// QEMU, which ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// The same frames from behind the image and over the serial port: labels as the host's, and alike.
fn own_frames(root: &Path, hrvit: &Hrvit, machine: &Machine, plan: &Plan, image: &Path, clip: &Path) -> Result<Vec<String>> {
    let plan = Plan { features: &["serial"], ..plan.clone() };
    let elf = program(root, machine, &plan, "segment")?;
    let (name, arguments) = machine.emulator.split_first().context("a machine has an emulator")?;
    let mut qemu = Command::new(name);
    qemu.args(arguments).arg("-kernel").arg(&elf);
    qemu.args(["-nic", "none", "-display", "none", "-monitor", "none", "-serial", "pty", "-semihosting-config", "enable=on,target=native"]);
    qemu.arg("-device").arg(format!("loader,file={},addr={:#x},force-raw=on", path_text(clip)?, machine.image_at));
    eprintln!("sending {} frames to {}", FRAMES.len(), machine.emulator.join(" "));
    let mut running = Running(qemu.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().with_context(|| format!("starting {name}"))?);
    let port = port(&mut running.0)?;
    let sent = Sent::over(&port, hrvit, (&elf, image), &FRAMES, &target_folder(root).join("own_frames").join(machine.name))?;
    let ended = running.0.wait().context("waiting for QEMU")?.code();
    let mut wrong = Vec::new();
    if ended != Some(0) {
        wrong.push(format!("{}: ended with code {ended:?}", machine.name));
    }
    if !sent.is_fine(FRAMES.len()) {
        wrong.push(format!("{}: {} frames with the host's labels expected, both ways: {sent}", machine.name, FRAMES.len()));
    }
    println!("{}: {sent}", machine.name);
    Ok(wrong)
}

/// The pseudo terminal that QEMU made; it says so in its first line.
fn port(qemu: &mut Child) -> Result<String> {
    let mut line = String::new();
    BufReader::new(qemu.stdout.take().context("QEMU has an output")?).read_line(&mut line).context("reading what QEMU says")?;
    let port = line.split_whitespace().find(|word| word.starts_with("/dev/"));
    port.map(str::to_owned).with_context(|| format!("QEMU names no pseudo terminal: {}", line.trim_end()))
}

/// A profile of several frames: instructions do not differ from frame to frame, and the first one
/// takes hardly others.
fn several(root: &Path, hrvit: &Hrvit, plan: &Plan, image: &Path) -> Result<Vec<String>> {
    let (name, frames) = PROFILED;
    let machine = machine(name).with_context(|| format!("no machine {name}"))?;
    let elf = program(root, machine, &Plan { frames: Some(frames), ..plan.clone() }, "profile")?;
    let ended = qemu::emulate(root, machine, &elf, &[(machine.image_at, image)], true)?;
    let log = qemu::log(hrvit, &elf, &ended)?;
    let Some(Latency { cold, mean, deviation, least, most }) = log.latency else {
        return Ok(vec![format!("{name}: a profile of {frames} frames has no latency")]);
    };
    println!("{name}: {frames} frames of {mean} instructions, deviation {deviation}, {least} to {most}; the first one {cold}");
    let mut wrong = Vec::new();
    // Whole ticks of the machine's clock are counted, of which each reading may be off by one.
    if most - least > mean / 1000 || deviation > mean / 1000 || cold.abs_diff(mean) > mean / 100 {
        wrong.push(format!("{name}: frames of {least} to {most} instructions, deviation {deviation}, the first {cold}: the emulator has no caches"));
    }
    let sum: u64 = log.spreads.iter().map(|spread| spread.mean).sum();
    if log.spreads.len() != log.steps.len() || sum > mean || log.spreads.iter().any(|spread| spread.least > spread.mean || spread.mean > spread.most) {
        wrong.push(format!("{name}: {} of {} steps, {sum} of {mean} instructions", log.spreads.len(), log.steps.len()));
    }
    Ok(wrong)
}

fn program(root: &Path, machine: &Machine, plan: &Plan, name: &str) -> Result<PathBuf> {
    let programs = build::build(root, machine.package, machine.target, plan, Some(name))?;
    Ok(programs.into_iter().next().with_context(|| format!("{} has no program {name}", machine.package))?.elf)
}
