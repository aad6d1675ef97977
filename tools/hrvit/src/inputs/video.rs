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
    /// Its complaints; a file, which is never full as a pipe is.
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

/// First line of `ffmpeg -version`.
fn version() -> Result<String> {
    let output = Command::new("ffmpeg").arg("-version").stdin(Stdio::null()).stderr(Stdio::null()).output().context("starting ffmpeg")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The options by which ffmpeg neither repeats nor drops frames of a video whose rate varies:
/// `-fps_mode` from version 5.1 on, before that `-vsync`.
fn every_frame_once(version: &str) -> [&'static str; 2] {
    let number = version.strip_prefix("ffmpeg version ").unwrap_or_default().trim_start_matches('n');
    let mut parts = number.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().ok());
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(major), minor) if (major, minor.unwrap_or(0)) < (5, 1) => ["-vsync", "passthrough"],
        _ => ["-fps_mode", "passthrough"],
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
        command.args(["-nostdin", "-loglevel", "error", "-i"]).arg(file).args(["-an", "-pix_fmt", "yuv420p"]);
        command.args(every_frame_once(&version()?)).args(["-f", "yuv4mpegpipe", "-"]);
        let complaints = tempfile::tempfile().context("making a temporary file")?;
        let stderr = complaints.try_clone().context("making a temporary file")?;
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).spawn().context("starting ffmpeg")?;
        let frames = child.stdout.take().context("ffmpeg without output")?;
        Ok((Self { child, complaints }, BufReader::new(frames)))
    }

    /// Last words of ffmpeg, after its output was read.
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
        // Both do nothing if it was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_goes_by_the_version() {
        for (version, option) in [
            ("ffmpeg version 5.1.6-0+deb12u1 Copyright", "-fps_mode"),
            ("ffmpeg version n7.0 Copyright", "-fps_mode"),
            ("ffmpeg version 8.0 Copyright", "-fps_mode"),
            ("ffmpeg version N-110072-g073ec3b9da Copyright", "-fps_mode"),
            ("ffmpeg version 4.4.2-0ubuntu0.22.04.1 Copyright", "-vsync"),
            ("ffmpeg version 5.0 Copyright", "-vsync"),
        ] {
            assert_eq!(every_frame_once(version)[0], option, "{version}");
        }
    }
}
