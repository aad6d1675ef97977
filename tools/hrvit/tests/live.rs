//! `hrvit live`: frames through a pipe, what the page asks for, settings and model files that
//! change meanwhile.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const SIDES: (usize, usize) = (80, 48);

/// An image of a random network in half precision, which takes no calibration.
fn image(folder: &Path, seed: &str) -> PathBuf {
    let (weights, image) = (folder.join(format!("{seed}.safetensors")), folder.join(format!("{seed}.hrvit")));
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_hrvit")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let (weights, to) = (weights.to_str().unwrap(), image.to_str().unwrap());
    run(&["synth", "--variant", "nano", "--classes", "4", "--seed", seed, "--out", weights]);
    run(&["quantize", "--weights", weights, "--variant", "nano", "--classes", "4", "--size", "32x64", "--precision", "fp16", "--out", to]);
    image
}

/// The command, which ends with this.
struct Running {
    child: Child,
    port: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Running {
    fn start(model: &Path, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hrvit"));
        command.args(["--json", "live", "--port", "0", "--model", model.to_str().unwrap()]).args(more);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let port = lines.find_map(|line| Some(line.unwrap().strip_prefix("http://localhost:")?.to_owned())).expect("the page's address");
        // Further lines must not fill the pipe.
        std::thread::spawn(move || lines.for_each(|line| _ = line));
        Self { child, port }
    }

    fn frame(&mut self, level: u8) {
        let (width, height) = SIDES;
        let luma: Vec<u8> = (0..width * height).map(|at| (at % width) as u8 + level).collect();
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(&[b"FRAME\n", &luma[..], &vec![128; width * height / 2]].concat()).unwrap();
        stdin.flush().unwrap();
    }

    /// Status, head and body of an answer.
    fn ask(&self, request: &str) -> (u16, String, Vec<u8>) {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{}", self.port)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer with a head");
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head, bytes[end + 4..].to_vec())
    }

    fn get(&self, path: &str) -> (u16, String, Vec<u8>) {
        self.ask(&format!("GET {path} HTTP/1.0\r\nHost: localhost:{}\r\n\r\n", self.port))
    }

    fn state(&self) -> Value {
        serde_json::from_slice(&self.get("/state").2).unwrap()
    }

    fn want(&self, settings: &Value, header: &str) -> u16 {
        let body = settings.to_string();
        self.ask(&format!("POST /settings HTTP/1.0\r\nHost: 127.0.0.1:{}\r\n{header}Content-Length: {}\r\n\r\n{body}", self.port, body.len())).0
    }

    /// Sends frames until the state is as it should be.
    fn until(&mut self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            self.frame(60);
            let state = self.state();
            if holds(&state) {
                return state;
            }
            assert!(start.elapsed() < Duration::from_secs(120), "{what}: {state}");
            std::thread::sleep(Duration::from_millis(40));
        }
    }
}

#[test]
fn frames_are_shown_and_settings_and_models_change_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (image(folder.path(), "3"), image(folder.path(), "4"));
    let model = folder.path().join("model.hrvit");
    fs::copy(&first, &model).unwrap();
    let mut live = Running::start(&model, &["--model", second.to_str().unwrap(), "-"]);
    live.child.stdin.as_mut().unwrap().write_all(b"YUV4MPEG2 W80 H48 F1000:1 C420jpeg\n").unwrap();

    let state = live.until("a first frame", |state| state["number"].as_u64() > Some(0));
    assert_eq!((&state["about"]["size"], &state["about"]["generation"], &state["complaint"]), (&json!([32, 64]), &json!(0), &Value::Null));
    assert_eq!(state["about"]["class"].as_array().unwrap().len(), 4);
    let shares: f64 = state["shares"].as_array().unwrap().iter().filter_map(Value::as_f64).sum();
    assert!((shares - 1.0).abs() < 1e-9, "{state}");
    for view in ["frame", "overlay", "margin"] {
        let (status, head, body) = live.get(&format!("/picture?view={view}&after=0"));
        assert!(status == 200 && head.contains("X-Number: "), "{head}");
        let shown = image::load_from_memory(&body).unwrap();
        assert_eq!((shown.width() as usize, shown.height() as usize), SIDES, "{view}");
    }
    assert!(String::from_utf8(live.get("/").2).unwrap().contains("<title>hrvit live</title>"));
    assert_eq!((live.get("/other").0, live.get("/picture?view=none").0), (404, 400));

    // Names and pages of others.
    assert_eq!(live.ask("GET /state HTTP/1.0\r\nHost: example.org\r\n\r\n").0, 400);
    assert_eq!(live.want(&json!({"model": 1, "isa": "scalar", "workers": 2}), ""), 400);
    assert_eq!(live.want(&json!({"model": 2, "isa": null, "workers": 1}), "X-Hrvit: 1\r\n"), 400);
    assert_eq!(live.want(&json!({"model": 0, "isa": "none", "workers": 1}), "X-Hrvit: 1\r\n"), 400);
    assert_eq!(live.want(&json!({"model": 0, "isa": null, "workers": 9}), "X-Hrvit: 1\r\n"), 400);

    // Bodies that never come, and one that nothing could hold.
    let silent: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = TcpStream::connect(format!("127.0.0.1:{}", live.port)).unwrap();
            stream.write_all(b"POST /settings HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000\r\n\r\n").unwrap();
            stream
        })
        .collect();
    assert_eq!(live.ask("GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000000000000000\r\n\r\n").0, 400);
    drop(silent);

    assert_eq!(live.want(&json!({"model": 0, "isa": "scalar", "workers": 2}), "X-Hrvit: 1\r\n"), 200);
    let state = live.until("other kernels", |state| state["about"]["kernels"] == "scalar");
    assert_eq!((&state["about"]["settings"]["workers"], &state["about"]["generation"]), (&json!(2), &json!(1)));
    assert_eq!(live.want(&json!({"model": 1, "isa": null, "workers": 1}), "X-Hrvit: 1\r\n"), 200);
    live.until("another model", |state| state["about"]["model"] == json!(second));
    assert_eq!(live.want(&json!({"model": 0, "isa": null, "workers": 1}), "X-Hrvit: 1\r\n"), 200);
    live.until("the model before", |state| state["about"]["model"] == json!(model));

    // A file that is no image is told, and the engine goes on; a whole one is taken over.
    let whole = fs::read(&second).unwrap();
    let replace = |bytes: &[u8]| {
        let new = folder.path().join("new");
        fs::write(&new, bytes).unwrap();
        fs::rename(new, &model).unwrap();
    };
    replace(&whole[..whole.len() / 2]);
    let state = live.until("a complaint", |state| !state["complaint"].is_null());
    let (before, number) = (state["about"]["generation"].as_u64().unwrap(), state["number"].as_u64().unwrap());
    live.until("frames all the same", |state| state["number"].as_u64().unwrap() > number + 2);
    replace(&whole);
    let state = live.until("the new file", |state| state["about"]["generation"].as_u64().unwrap() > before);
    assert_eq!(state["complaint"], Value::Null);

    // A file that is gone is told; the same bytes written in place, in parts, are taken over once whole.
    fs::remove_file(&model).unwrap();
    live.until("a file that is gone", |state| state["complaint"].as_str().is_some_and(|text| text.contains("model.hrvit")));
    let before = live.state()["about"]["generation"].as_u64().unwrap();
    let mut file = fs::File::create(&model).unwrap();
    for part in whole.chunks(whole.len() / 3 + 1) {
        file.write_all(part).unwrap();
        file.sync_all().unwrap();
        std::thread::sleep(Duration::from_millis(300));
    }
    let state = live.until("a file written in place", |state| state["about"]["generation"].as_u64().unwrap() > before);
    assert_eq!(state["complaint"], Value::Null);

    drop(live.child.stdin.take());
    let mut printed = String::new();
    live.child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    assert!(live.child.wait().unwrap().success());
    let report: Value = serde_json::from_str(&printed).unwrap();
    let count = |name: &str| report[name].as_u64().unwrap();
    assert!(count("frames") > 10 && count("frames") + count("dropped") == count("arrived"), "{report}");
}

#[test]
fn rates_that_no_video_has_are_passed_over_and_pictures_that_cannot_be_read_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let model = image(folder.path(), "7");
    for rate in ["F1:99999999999999999999", "F1e-300:1", "F0:0", "F1:0"] {
        let video = folder.path().join("video.y4m");
        fs::write(&video, [format!("YUV4MPEG2 W4 H2 {rate} C420jpeg\n").as_bytes(), b"FRAME\n", &[128; 12], b"FRAME\n", &[128; 12]].concat()).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_hrvit"))
            .args(["--json", "live", "--port", "0", "--model", model.to_str().unwrap(), video.to_str().unwrap()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{rate}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap()["arrived"], 2, "{rate}");
    }
    let pictures = folder.path().join("pictures");
    fs::create_dir(&pictures).unwrap();
    fs::write(pictures.join("a.png"), b"not yet a picture").unwrap();
    image::RgbImage::new(64, 32).save(pictures.join("b.png")).unwrap();
    let mut live = Running::start(&model, &["--rate", "100", pictures.to_str().unwrap()]);
    let start = Instant::now();
    while live.state()["number"].as_u64().unwrap() < 3 {
        assert!(start.elapsed() < Duration::from_secs(60), "frames of the picture that can be read");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(live.child.try_wait().unwrap().is_none());
}

#[test]
fn frames_that_come_too_fast_are_dropped_for_newer_ones() {
    let folder = tempfile::tempdir().unwrap();
    let model = image(folder.path(), "5");
    let raw = folder.path().join("frames.gray");
    fs::write(&raw, vec![90; 64 * 32 * 400]).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_hrvit"))
        .args(["--json", "live", "--port", "0", "--isa", "scalar", "--raw", "gray:64x32", "--model", model.to_str().unwrap(), raw.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let count = |name: &str| report[name].as_u64().unwrap();
    assert!(count("arrived") == 400 && count("dropped") > 0 && count("frames") + count("dropped") == 400, "{report}");
}

#[test]
fn what_cannot_be_shown_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let model = image(folder.path(), "6");
    let said = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_hrvit"))
            .args(["live", "--port", "0", "--model", model.to_str().unwrap()])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(said(&["-"]).contains("YUV4MPEG2"));
    assert!(said(&["--model", "/no/such/model", "-"]).contains("/no/such/model: there is no such file"));
    assert!(said(&["/no/such/file"]).contains("/no/such/file"));
    assert!(said(&["--rotate", "45", "-"]).contains("0, 90, 180 or 270"));
    assert!(said(&["--keep-ratio", "-"]).contains("--resize crop"));
    assert!(said(&["--raw", "gray:64x32", "-"]).contains("no frame"));
    assert!(said(&[folder.path().to_str().unwrap()]).contains("holds no frame"));
}
