//! Videos that ffmpeg decodes, where it is installed.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// File extensions that are videos for ffmpeg.
pub const EXTENSIONS: [&str; 6] = ["mp4", "mkv", "avi", "mov", "webm", "m4v"];

/// A running ffmpeg.
pub struct Decoder {
    child: Child,
    /// What it complains of; a file, which is never full as a pipe is.
    complaints: File,
}

/// Makes sure that ffmpeg is there.
///
/// # Errors
/// If it is not; says what to do with `path` instead.
pub fn check(path: &Path) -> Result<()> {
    match Command::new("ffmpeg").arg("-version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        _ => bail!(
            "{} is a video, which takes ffmpeg, and that is not installed here. Where it is, its frames come through a pipe:\n  \
             ffmpeg -i {} -pix_fmt yuv420p -f yuv4mpegpipe - | hrvit run … -",
            path.display(),
            path.display()
        ),
    }
}

impl Decoder {
    /// Starts ffmpeg on a file; its frames come as YUV4MPEG2.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(path: &Path) -> Result<(Self, BufReader<ChildStdout>)> {
        // A name that begins with a dash, or looks like a protocol, is a file all the same.
        let mut file = std::ffi::OsString::from("file:");
        file.push(path);
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-loglevel", "error", "-i"]).arg(file).args(["-an", "-pix_fmt", "yuv420p", "-f", "yuv4mpegpipe", "-"]);
        let complaints = tempfile::tempfile().context("making a temporary file")?;
        let stderr = complaints.try_clone().context("making a temporary file")?;
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).spawn().context("starting ffmpeg")?;
        let frames = child.stdout.take().context("ffmpeg without output")?;
        Ok((Self { child, complaints }, BufReader::new(frames)))
    }

    /// What ffmpeg has to say in the end, after its output was read.
    ///
    /// # Errors
    /// If it failed or complained.
    pub fn finish(mut self) -> Result<()> {
        let status = self.child.wait().context("waiting for ffmpeg")?;
        let mut said = Vec::new();
        self.complaints.rewind().and_then(|()| (&self.complaints).take(4096).read_to_end(&mut said)).context("reading what ffmpeg says")?;
        let said = String::from_utf8_lossy(&said);
        ensure!(status.success(), "ffmpeg failed: {}", said.trim());
        // Of a file that is cut or damaged it decodes what it can, and ends well.
        ensure!(said.trim().is_empty(), "ffmpeg decoded what it could: {}", said.trim());
        Ok(())
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // Where it was waited for these do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
