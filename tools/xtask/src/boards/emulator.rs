//! Unicorn, by the command `tools/boards/boot.py`.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use hrvit_log::Log;
use serde::Deserialize;

use crate::command;
use crate::frames::Sent;
use crate::hrvit::{Hrvit, path_text};
use crate::qemu::log_of;

/// Folder in which `tools/boards/README.md` puts Python with the emulator's packages.
const PYTHON: &str = "target/boards/bin/python";
const BOOT: &str = "tools/boards/boot.py";
const PORT: &str = "tools/boards/port.py";

/// The emulator.
pub struct Emulator {
    python: PathBuf,
    root: PathBuf,
}

/// One boot.
#[derive(Clone, Debug)]
pub struct Case<'c> {
    /// The board.
    pub board: &'c str,
    /// Its program.
    pub elf: &'c Path,
    /// Model image in the flash; none: it is blank.
    pub model: Option<&'c Path>,
    /// Mode that an earlier program left the flash in.
    pub mode: Option<&'c str>,
    /// A fault that is put into what the program writes.
    pub mutation: Option<&'c str>,
    /// Receiver of bytes that are sent over the serial port.
    pub serial: Option<&'c Path>,
    /// Whether one is attached.
    pub debugger: bool,
    /// Whether a blinking LED is not the end.
    pub past_blinking: bool,
    /// After these a program is stuck.
    pub seconds: Option<u32>,
}

impl<'c> Case<'c> {
    /// A blank flash, a debugger.
    pub fn new(board: &'c str, elf: &'c Path) -> Self {
        Self { board, elf, model: None, mode: None, mutation: None, serial: None, debugger: true, past_blinking: false, seconds: None }
    }
}

/// How it ended, as `boot.py` prints it.
#[derive(Clone, Debug, Deserialize)]
pub struct Outcome {
    /// The exit code that a debugger was given.
    pub code: Option<u8>,
    /// Without one: whether the program sleeps.
    pub sleeps: bool,
    /// Or shows an error on its LED.
    pub blinks: bool,
    /// Or resets the board.
    pub begins_again: bool,
    /// Breaches of the chips' rules.
    pub breach: Option<String>,
    /// Or that it neither ended nor sleeps in the time that it was given.
    pub stuck: bool,
    /// Whether the debugger's buffer holds what was sent over the serial port.
    pub same_log: bool,
    /// LEDs.
    pub lights: Lights,
    /// Markers.
    pub marks: Marks,
}

/// How often the pins rose that mark something.
#[derive(Clone, Debug, Deserialize)]
pub struct Marks {
    /// Steps.
    pub step: u32,
    /// Frames.
    pub frame: u32,
}

/// LEDs.
#[derive(Clone, Debug, Deserialize)]
pub struct Lights {
    /// The one that says that all is well.
    pub good: bool,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.breach, self.code) {
            (Some(breach), _) => f.write_str(breach),
            (None, Some(code)) => write!(f, "exit code {code}"),
            (None, None) if self.begins_again => f.write_str("begins again"),
            (None, None) if self.blinks => f.write_str("LED blinks"),
            (None, None) => write!(f, "asleep, LED {}", if self.lights.good { "on" } else { "off" }),
        }
    }
}

/// Abilities of a board's model.
#[derive(Deserialize)]
struct Known {
    modes: Vec<String>,
    mutations: Vec<String>,
}

impl Emulator {
    /// Looks for it; the inner error says what is missing and how to get it.
    ///
    /// # Errors
    /// If Python is there but cannot be started.
    pub fn find(root: &Path) -> Result<Result<Self, String>> {
        let own = root.join(PYTHON);
        let python = if own.is_file() { own } else { PathBuf::from("python3") };
        let probe = Command::new(&python).args(["-c", "import unicorn"]).stderr(Stdio::null()).status();
        Ok(match probe {
            Ok(status) if status.success() => Ok(Self { python, root: root.to_path_buf() }),
            Ok(_) => Err("python3 has no module unicorn; see tools/boards/README.md".to_owned()),
            Err(error) => Err(format!("starting {}: {error}; see tools/boards/README.md", python.display())),
        })
    }

    fn python(&self, script: &str) -> Command {
        let mut python = Command::new(&self.python);
        python.current_dir(&self.root).arg(script);
        python
    }

    /// Modes of the board's flash, and faults.
    ///
    /// # Errors
    /// If the command fails.
    pub fn knows(&self, board: &str) -> Result<(Vec<String>, Vec<String>)> {
        let Known { modes, mutations } = serde_json::from_str(&command::succeed(self.python(BOOT).args([board, "--list"]))?)?;
        Ok((modes, mutations))
    }

    /// Boots.
    ///
    /// # Errors
    /// If the command fails, which is not the program's failure.
    pub fn boot(&self, case: &Case<'_>) -> Result<Outcome> {
        serde_json::from_str(&command::succeed(&mut self.command(case))?).context("boot.py prints an outcome")
    }

    /// Boots with a serial port that `hrvit send` sends `frames` over: how both ended. Results go
    /// to `out`.
    ///
    /// # Errors
    /// As [`Self::boot`]; if the frames were not sent.
    pub fn sending(&self, case: &Case<'_>, hrvit: &Hrvit, model: &Path, frames: &[&str], out: &Path) -> Result<(Outcome, Sent)> {
        let mut board = Running(self.command(case).arg("--port").stdout(Stdio::piped()).spawn().context("starting boot.py")?);
        let mut said = BufReader::new(board.0.stdout.take().context("boot.py has an output")?);
        let mut name = String::new();
        said.read_line(&mut name).context("reading the port's name")?;
        let sent = Sent::over(name.trim(), hrvit, (case.elf, model), frames, out)?;
        let mut outcome = String::new();
        said.read_to_string(&mut outcome).context("reading how the program ended")?;
        Ok((serde_json::from_str(&outcome).context("boot.py prints an outcome")?, sent))
    }

    fn command(&self, case: &Case<'_>) -> Command {
        let mut boot = self.python(BOOT);
        boot.arg(case.board).arg(case.elf);
        for (option, path) in [("--model", case.model), ("--serial", case.serial)] {
            boot.args(path.map(|path| [Path::new(option), path]).into_iter().flatten());
        }
        for (option, text) in [("--mode", case.mode), ("--mutation", case.mutation)] {
            boot.args(text.map(|text| [option, text]).into_iter().flatten());
        }
        boot.args(case.seconds.map(|seconds| ["--seconds".to_owned(), seconds.to_string()]).into_iter().flatten());
        boot.args((!case.debugger).then_some("--no-debugger"));
        boot.args(case.past_blinking.then_some("--past-blinking"));
        boot
    }

    /// Log that `hrvit profile --serial` hears if `sent` comes over a port.
    ///
    /// # Errors
    /// If it hears no whole log.
    pub fn over_a_port(&self, hrvit: &Hrvit, elf: &Path, sent: &Path) -> Result<Log> {
        let port = Running(self.python(PORT).arg(sent).stdout(Stdio::piped()).spawn().context("starting port.py")?);
        port.listen(hrvit, elf)
    }
}

/// A pseudo terminal with something behind it, which ends with this.
struct Running(Child);

impl Running {
    fn listen(mut self, hrvit: &Hrvit, elf: &Path) -> Result<Log> {
        let mut name = String::new();
        BufReader::new(self.0.stdout.take().context("port.py has an output")?).read_line(&mut name).context("reading the port's name")?;
        let words = ["profile", "--json", "--elf", path_text(elf)?, "--patience", "20", "--serial", name.trim()];
        log_of(&command::succeed(&mut hrvit.command(&words))?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}
