//! A headless Chromium that shows a page, told what to do in its own protocol over two pipes.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::hrvit::path_text;

/// Names that the program has.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];
/// Columns and rows of the window.
const WINDOW: &str = "--window-size=1280,900";

/// The program, if it is here.
pub fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    NAMES.iter().flat_map(|name| std::env::split_paths(&path).map(move |folder| folder.join(name))).find(|program| program.is_file())
}

/// A browser with one page, which ends with this.
pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    /// Name of the page's session; empty before there is one.
    session: String,
    asked: u64,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Browser {
    /// Opens `url`; the browser's files go to `folder`.
    ///
    /// # Errors
    /// If the browser cannot be started or does not answer.
    pub fn open(program: &Path, folder: &Path, url: &str) -> Result<Self> {
        // It reads what is asked from its third pipe, and answers on its fourth.
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh"]).arg(program);
        shell.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe", WINDOW]);
        shell.arg(format!("--user-data-dir={}", path_text(folder)?)).arg("about:blank");
        let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("starting the browser")?;
        let to = child.stdin.take().context("a pipe to the browser")?;
        let from = BufReader::new(child.stdout.take().context("a pipe from the browser")?);
        let mut browser = Self { child, to, from, session: String::new(), asked: 0 };
        let target = browser.ask("Target.createTarget", json!({ "url": url }))?["targetId"].clone();
        let attached = browser.ask("Target.attachToTarget", json!({ "targetId": target, "flatten": true }))?;
        browser.session = attached["sessionId"].as_str().context("the browser names a session")?.to_owned();
        Ok(browser)
    }

    /// Asks and waits for the answer; what else the browser says is left out.
    fn ask(&mut self, method: &str, parameters: Value) -> Result<Value> {
        self.asked += 1;
        let mut question = json!({ "id": self.asked, "method": method, "params": parameters });
        if !self.session.is_empty() {
            question["sessionId"] = json!(self.session);
        }
        // Texts end with a byte of 0.
        self.to.write_all(format!("{question}\0").as_bytes()).context("asking the browser")?;
        self.to.flush().context("asking the browser")?;
        loop {
            let mut text = Vec::new();
            self.from.read_until(0, &mut text).context("listening to the browser")?;
            let Some((0, text)) = text.split_last() else { bail!("the browser has ended before it answered {method}") };
            let mut answer: Value = serde_json::from_slice(text).context("an answer of the browser")?;
            if answer["id"] != json!(self.asked) {
                continue;
            }
            if !answer["error"].is_null() {
                bail!("{method}: {}", answer["error"]);
            }
            return Ok(answer["result"].take());
        }
    }

    /// The value of an expression of the page; of a promise, once it is there.
    ///
    /// # Errors
    /// If the browser is gone or the expression throws.
    pub fn value(&mut self, expression: &str) -> Result<Value> {
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.ask("Runtime.evaluate", parameters)?;
        if !answer["exceptionDetails"].is_null() {
            bail!("{expression}: {}", answer["exceptionDetails"]);
        }
        Ok(answer["result"]["value"].take())
    }

    /// Waits until an expression of the page is true.
    ///
    /// # Errors
    /// If it never is within `patience`.
    pub fn until(&mut self, what: &str, expression: &str, patience: Duration) -> Result<()> {
        let start = Instant::now();
        loop {
            let seen = self.value(expression)?;
            if seen == json!(true) {
                return Ok(());
            }
            if start.elapsed() > patience {
                bail!("{what}: {expression} is {seen} after {} s", patience.as_secs());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The page as a PNG.
    ///
    /// # Errors
    /// If the browser makes none.
    pub fn picture(&mut self) -> Result<Vec<u8>> {
        let answer = self.ask("Page.captureScreenshot", json!({ "format": "png" }))?;
        STANDARD.decode(answer["data"].as_str().context("the browser's picture")?).context("the browser's picture")
    }
}
