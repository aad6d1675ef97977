//! Files that the binary leaves behind, and work that it refuses to begin.
#![cfg(unix)]

use std::fs;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

fn hrvit(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hrvit")).args(arguments).output().expect("the hrvit binary starts")
}

/// Standard error of a command that must fail.
fn refusal(arguments: &[&str]) -> String {
    let output = hrvit(arguments);
    assert!(!output.status.success(), "{arguments:?} succeeded");
    String::from_utf8(output.stderr).expect("messages are UTF-8")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}

/// A network that is made in no time.
const SYNTH: [&str; 7] = ["synth", "--variant", "nano", "--classes", "4", "--seed", "7"];

fn synth(out: &Path) -> Output {
    hrvit(&[&SYNTH[..], &["--out", text(out)]].concat())
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn pipe(folder: &Path) -> PathBuf {
    let path = folder.join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

#[test]
fn a_device_stays_one_and_a_link_too() {
    let folder = tempfile::tempdir().unwrap();
    // A node of the test's own, never the machine's, which a broken command would replace.
    let node = folder.path().join("null");
    if Command::new("mknod").arg(&node).args(["c", "1", "3"]).output().unwrap().status.success() {
        synth(&node);
        assert!(fs::symlink_metadata(&node).unwrap().file_type().is_char_device());
    } else {
        println!("SKIPPED: this user can make no device");
    }
    let (link, file) = (folder.path().join("link"), folder.path().join("file"));
    std::os::unix::fs::symlink("file", &link).unwrap();
    assert!(synth(&link).status.success());
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink() && fs::metadata(&file).unwrap().len() > 1000);
}

#[test]
fn new_files_have_the_mode_that_the_umask_leaves() {
    let folder = tempfile::tempdir().unwrap();
    for (mask, mode) in [("022", 0o644), ("027", 0o640), ("077", 0o600), ("002", 0o664)] {
        let out = folder.path().join(mask);
        let script = format!("umask {mask}; exec \"$0\" \"$@\"");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_hrvit"), "plan", "--variant", "nano", "--classes", "4", "--size", "64x64", "--svg", text(&out)]);
        assert!(shell.output().unwrap().status.success());
        assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, mode, "umask {mask}");
    }
}

#[test]
fn a_signal_ends_a_command_that_waits_for_its_reader() {
    for signal in [2, 15] {
        let folder = tempfile::tempdir().unwrap();
        let (path, (sender, received)) = (pipe(folder.path()), mpsc::channel());
        let mut child = Command::new(env!("CARGO_BIN_EXE_hrvit")).args(SYNTH).arg("--out").arg(&path).stdout(Stdio::null()).spawn().unwrap();
        let reader = path.clone();
        std::thread::spawn(move || {
            let mut file = fs::File::open(reader).unwrap();
            file.read_exact(&mut [0]).unwrap();
            sender.send(file).unwrap();
        });
        // Held, and not read from: there is more to write than a pipe takes.
        let _file = received.recv_timeout(Duration::from_secs(60)).expect("the command writes to the pipe");
        assert!(Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status().unwrap().success());
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(signal), "{status}");
        assert_eq!(names(folder.path()), ["pipe"]);
        assert!(fs::symlink_metadata(path).unwrap().file_type().is_fifo());
    }
}

#[test]
fn what_cannot_be_written_is_said_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    // Below a file nothing can be made; the inputs are not there either, which would be said later.
    let (bad, none) = (folder.path().join("file/out"), folder.path().join("none"));
    let (bad, none) = (text(&bad), text(&none));
    let good = folder.path().join("good");
    let commands: [&[&str]; 8] = [
        &["synth", "--variant", "nano", "--classes", "4", "--seed", "7", "--out", bad],
        &["pack", "--model", none, "--layout", "k4", "--out", bad],
        &["quantize", "--variant", "nano", "--classes", "4", "--weights", none, "--size", "64x64", "--calib", none, "--out", bad],
        &["plan", "--variant", "nano", "--classes", "4", "--size", "64x64", "--svg", bad],
        &["profile", "--decoded", "--log", none, "--trace", bad],
        &["report", "--model", none, "--weights", none, "--data", none, "--out", bad],
        &["report", "--model", none, "--weights", none, "--data", none, "--out", text(&good), "--report-json", bad],
        &["demo", "--assets", none, "--out", bad],
    ];
    for command in commands {
        let error = refusal(command);
        assert!(error.contains(bad) && error.contains("written") && !error.contains(none), "{command:?}: {error}");
    }
    // A folder in the place of a file, a file in that of a folder.
    let error = refusal(&[&SYNTH[..], &["--out", text(folder.path())]].concat());
    assert!(error.contains("is a folder: name a file in it"), "{error}");
    let frame = folder.path().join("frame.png");
    image::RgbImage::new(32, 32).save(&frame).unwrap();
    let error = refusal(&["run", "--model", none, text(&frame), "--out", text(&folder.path().join("file"))]);
    assert!(error.contains("name a folder") && !error.contains(none), "{error}");
    assert_eq!(names(folder.path()), ["file", "frame.png"], "a probe leaves nothing");
}

/// A folder of one whole frame, one that is cut, and one behind it; and weights to run them with.
fn frames(folder: &Path) -> (PathBuf, PathBuf) {
    let (frames, weights) = (folder.join("frames"), folder.join("weights.safetensors"));
    fs::create_dir(&frames).unwrap();
    for name in ["a", "b", "c"] {
        let path = frames.join(format!("{name}.jpg"));
        image::RgbImage::from_fn(64, 64, |x, y| image::Rgb([4 * x as u8, (x * y) as u8, 3 * y as u8])).save(&path).unwrap();
        if name == "b" {
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        }
    }
    assert!(synth(&weights).status.success());
    (frames, weights)
}

#[test]
fn a_batch_that_fails_says_what_it_left() {
    let folder = tempfile::tempdir().unwrap();
    let (frames, weights) = frames(folder.path());
    let out = folder.path().join("out");
    let run = ["run", "--float", "--weights", text(&weights), "--variant", "nano", "--classes", "4", "--size", "64x64", "--out", text(&out)];
    let error = refusal(&[&run[..], &[text(&frames)]].concat());
    assert!(error.contains("1 of 3 frames could not be read") && error.contains("b.jpg: ") && error.contains("truncated JPEG"), "{error}");
    assert!(error.contains(&format!("written before the error, and whole: 6 files, a.labels.png to c.json, in {}", out.display())), "{error}");
    assert_eq!(names(&out), ["a.json", "a.labels.png", "a.overlay.png", "c.json", "c.labels.png", "c.overlay.png"]);
}

#[test]
fn max_pixels_refuses_a_frame_by_its_header() {
    let folder = tempfile::tempdir().unwrap();
    let (frames, weights) = frames(folder.path());
    let (frame, out) = (frames.join("a.jpg"), folder.path().join("out"));
    let run = ["run", "--float", "--weights", text(&weights), "--variant", "nano", "--classes", "4", "--size", "64x64", text(&frame), "--out", text(&out)];
    let error = refusal(&[&run[..], &["--max-pixels", "4095"]].concat());
    assert!(error.contains("a.jpg") && error.contains("64x64 are 4096 pixels, at most 4095"), "{error}");
    assert!(hrvit(&[&run[..], &["--max-pixels", "4096"]].concat()).status.success());
}
