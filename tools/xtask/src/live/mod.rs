//! `cargo xtask live`: the page of `hrvit live` in a headless browser, whose controls are used.

mod browser;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;

use crate::command;
use crate::firmware::build::{Plan, target_folder};
use crate::hrvit::{Hrvit, path_text};
use crate::made::Made;
use browser::Browser;

/// Pictures that are shown in a loop.
const FRAMES: &str = "data/val/images";
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Milliseconds without a new frame that are a gap: twenty frames of a busy machine.
const GAP: f64 = 667.0;
/// Kilobytes that the command's memory may grow by while it runs.
const GROWTH: u64 = 16 << 10;

/// Show frames with `hrvit live` in a headless Chromium: every part of the page, other settings, a
/// model file that is replaced
#[derive(Args)]
#[command(after_help = "Examples:
  cargo xtask live
  cargo xtask live --seconds 60 --picture docs/images/live.png       # latency and memory over a minute, and the page as a picture

Says SKIPPED where there is no Chromium (apt-get install chromium).")]
pub struct LiveArgs {
    /// Seconds that frames run before settings are changed
    #[arg(long, value_name = "N", default_value_t = 2)]
    seconds: u64,
    /// Write the page as a picture
    #[arg(long, value_name = "FILE.png")]
    picture: Option<PathBuf>,
}

/// Shows and checks; says what it lacks, if it lacks something.
///
/// # Errors
/// If something does not build, or the page is not as it must be.
pub fn run(root: &Path, args: &LiveArgs) -> Result<Made> {
    see(root, args.seconds, args.picture.as_deref())
}

/// The check of `cargo xtask test`.
///
/// # Errors
/// As [`run`].
pub fn check(root: &Path) -> Result<Made> {
    see(root, 2, None)
}

/// Whether the source for cameras of Linux compiles, which nothing here can run.
///
/// # Errors
/// If it does not, where there is libclang.
pub fn cameras(root: &Path) -> Result<Made> {
    if !cfg!(target_os = "linux") {
        return Ok(Made::Nothing("V4L2 is Linux's".to_owned()));
    }
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args(["check", "--release", "--locked", "--package", "hrvit-tool", "--features", "v4l"]);
    let output = command::output(&mut cargo)?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        return Ok(Made::All);
    }
    ensure!(said.contains("libclang"), "$ {}\n{said}", command::line(&cargo));
    Ok(Made::Nothing("no libclang here (apt-get install libclang-dev)".to_owned()))
}

/// The command, which ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

impl Running {
    /// Kilobytes of memory that it has; none where the system does not say.
    fn memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).ok()?;
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok())
    }
}

fn see(root: &Path, seconds: u64, picture: Option<&Path>) -> Result<Made> {
    let Some(program) = browser::program() else {
        return Ok(Made::Nothing("no Chromium here (apt-get install chromium)".to_owned()));
    };
    let hrvit = Hrvit::build(root)?;
    let folder = target_folder(root).join("live");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let second = hrvit.model(&Plan { size: Some("64x96".to_owned()), ..Plan::default() }, "rows")?;
    let (nano, model) = (hrvit.model(&Plan::default(), "rows")?, folder.join("nano.hrvit"));
    let replace = || -> Result<()> {
        let new = folder.join("new");
        fs::copy(&nano, &new).with_context(|| format!("copying {}", nano.display()))?;
        fs::rename(new, &model).with_context(|| format!("replacing {}", model.display()))
    };
    replace()?;
    let words = ["live", "--port", "0", "--rate", "30", "--model", path_text(&model)?, "--model", path_text(&second)?, FRAMES];
    let mut live = Running(hrvit.command(&words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().context("starting hrvit live")?);
    let mut lines = BufReader::new(live.0.stderr.take().context("hrvit live has an error output")?).lines();
    let url = lines.find_map(|line| line.ok().filter(|line| line.starts_with("http://localhost:"))).context("hrvit live names its page")?;
    // Its further lines must not fill the pipe.
    std::thread::spawn(move || lines.for_each(|line| _ = line));

    let profile = folder.join("browser");
    let mut page = Browser::open(&program, &profile, &url)?;
    for view in ["overlay", "frame", "margin"] {
        page.until(view, &format!("document.getElementById('{view}')?.naturalWidth === 480"), PATIENCE)?;
    }
    page.until("a legend of 11 classes", "document.querySelectorAll('#legend tr').length === 11", PATIENCE)?;
    page.until("figures", "document.getElementById('figures').textContent.includes('frames a second')", PATIENCE)?;
    ensure!(page.value("document.getElementById('complaint').textContent")? == "", "the page complains: {}", page.value("document.body.innerText")?);
    minute(&mut page, &live, seconds)?;
    if let Some(picture) = picture {
        fs::write(picture, page.picture()?).with_context(|| format!("writing {}", picture.display()))?;
    }
    for (control, value, shown) in
        [("isa", "scalar", "scalar"), ("workers", "2", "2 worker"), ("model", "1", path_text(&second)?), ("model", "0", path_text(&model)?)]
    {
        choose(&mut page, control, value)?;
        page.until(control, &format!("document.getElementById('about').textContent.includes({shown:?})"), PATIENCE)?;
        println!("{control} {value}: {}", page.value("document.getElementById('about').textContent")?);
    }
    choose(&mut page, "isa", "")?;
    page.until("fastest kernels", "!document.getElementById('about').textContent.includes('scalar')", PATIENCE)?;
    let before = generation(&mut page)?;
    replace()?;
    let gap = page.value(LONGEST_WAIT)?.as_f64().context("the page's longest wait")?;
    ensure!(generation(&mut page)? > before, "the replaced model file was not taken over in 3 s");
    println!("a replaced model file was taken over; the longest wait for a frame meanwhile {gap:.0} ms");
    ensure!(gap < GAP, "{gap:.0} ms without a frame while a model was replaced");
    Ok(Made::All)
}

/// Milliseconds between two frames, the longest in three seconds.
const LONGEST_WAIT: &str = "(async () => {
  let last = performance.now(), number = 0, most = 0;
  const end = last + 3000;
  while (performance.now() < end) {
    const state = await (await fetch('/state')).json(), now = performance.now();
    most = Math.max(most, now - last);
    if (state.number !== number) { number = state.number; last = now; }
    await new Promise(done => setTimeout(done, 5));
  }
  return most;
})()";

fn choose(page: &mut Browser, control: &str, value: &str) -> Result<()> {
    let chosen = format!("{{ const select = document.getElementById('{control}'); select.value = '{value}'; select.dispatchEvent(new Event('change')); }}");
    page.value(&chosen).map(drop)
}

fn generation(page: &mut Browser) -> Result<u64> {
    state(page)?["about"]["generation"].as_u64().context("the number of the engine")
}

fn state(page: &mut Browser) -> Result<Value> {
    page.value("fetch('/state').then(answer => answer.json())")
}

/// Lets frames run for `seconds`; prints latency and memory, which must stay.
fn minute(page: &mut Browser, live: &Running, seconds: u64) -> Result<()> {
    let start = Instant::now();
    // The first seconds fill what stays.
    let settled = Duration::from_secs(seconds.min(10) / 2);
    std::thread::sleep(settled);
    let (first, memory) = (state(page)?, live.memory());
    std::thread::sleep(Duration::from_secs(seconds).saturating_sub(start.elapsed()));
    let (last, after) = (state(page)?, live.memory());
    let number = |state: &Value| state["number"].as_u64().unwrap_or(0);
    let figure = |name: &str| last["figures"][name].as_f64().unwrap_or(f64::NAN);
    println!(
        "{} frames in {} s, {} of {} dropped; frame {:.2} ms, latency {:.2} ms, 95 of 100 within {:.2} ms, the longest {:.2} ms; memory {} KB, then {} KB",
        number(&last),
        seconds,
        last["dropped"],
        last["arrived"],
        figure("rows_ms") + figure("network_ms"),
        figure("latency_ms"),
        figure("latency_p95_ms"),
        figure("latency_max_ms"),
        memory.unwrap_or(0),
        after.unwrap_or(0)
    );
    ensure!(number(&last) > number(&first), "no new frame in {} s", seconds.saturating_sub(settled.as_secs()));
    ensure!(after.unwrap_or(0) <= memory.unwrap_or(0) + GROWTH, "memory grew from {} to {} KB", memory.unwrap_or(0), after.unwrap_or(0));
    Ok(())
}
