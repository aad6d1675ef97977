//! Inputs of `hrvit run`: files, folders, patterns, pipes, raw frames, videos; and its messages on
//! those that it cannot read.
#![cfg(unix)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use image::{Rgb, RgbImage};
use serde_json::Value;

struct Bench {
    folder: tempfile::TempDir,
    weights: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let weights = folder.path().join("nano.safetensors");
        let synth = ["synth", "--variant", "nano", "--classes", "4", "--seed", "7", "--out", weights.to_str().unwrap()];
        assert!(Command::new(env!("CARGO_BIN_EXE_hrvit")).args(synth).output().unwrap().status.success());
        Self { folder, weights }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `hrvit run` in the bench's folder, results in `out`.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hrvit"));
        command.current_dir(self.folder.path()).args(["run", "--float", "--variant", "nano", "--classes", "4", "--size", "32x32", "--out", "out", "--weights"]);
        command.arg(&self.weights).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn piped(&self, arguments: &[&str], bytes: &[u8]) -> Output {
        let mut child = self.command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Names of label maps below `out`, which goes.
    fn results(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.at("out"), &mut found);
        let mut names: Vec<String> =
            found.iter().filter_map(|path| Some(path.strip_prefix(self.at("out")).unwrap().to_str()?.strip_suffix(".labels.png")?.to_owned())).collect();
        names.sort();
        let _ = fs::remove_dir_all(self.at("out"));
        names
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, found) } else { found.push(path) }
    }
}

fn frame(number: u8) -> RgbImage {
    RgbImage::from_fn(48, 32, |x, y| Rgb([5 * x as u8, 7 * y as u8, 30 * number]))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_bad_file_does_not_keep_the_others_from_being_run() {
    let bench = Bench::new();
    fs::create_dir(bench.at("in")).unwrap();
    for name in ["a.png", "d.webp", "e.bmp", "f.tiff", "g.ppm", "h.jpg"] {
        frame(1).save(bench.at("in").join(name)).unwrap();
    }
    fs::write(bench.at("in/b.jpg"), "no picture").unwrap();
    let whole = fs::read(bench.at("in/d.webp")).unwrap();
    fs::write(bench.at("in/c.webp"), &whole[..whole.len() / 2]).unwrap();
    fs::write(bench.at("in/.hidden.png"), "no picture").unwrap();
    let output = bench.run(&["in", "--json"]);
    assert!(!output.status.success());
    let text = said(&output);
    assert!(text.contains("2 of 8 frames could not be read") && text.contains("in/b.jpg: ") && text.contains("in/c.webp: truncated WebP"), "{text}");
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 6);
    assert_eq!(bench.results(), ["a", "d", "e", "f", "g", "h"]);
}

#[test]
fn names_that_clash_and_places_that_cannot_be_are_errors_before_anything_is_written() {
    let bench = Bench::new();
    fs::create_dir_all(bench.at("in/x")).unwrap();
    for name in ["in/a.png", "in/a.jpg", "in/x/a.png"] {
        frame(1).save(bench.at(name)).unwrap();
    }
    let text = said(&bench.run(&["in"]));
    assert!(text.contains("in/a.jpg") && text.contains("in/a.png") && text.contains("same name"), "{text}");
    assert!(!bench.at("out").exists());
    let text = said(&bench.run(&["nofile.jpg"]));
    assert!(text.contains("nofile.jpg: there is no such file"), "{text}");
    fs::remove_file(bench.at("in/a.jpg")).unwrap();
    assert!(bench.run(&["--recursive", "in"]).status.success());
    assert_eq!(bench.results(), ["a", "x/a"]);
    fs::write(bench.at("out"), "a file").unwrap();
    let text = said(&bench.run(&["in"]));
    assert!(text.contains("no results can be written into out: it is a file"), "{text}");
}

#[test]
fn paths_and_patterns_come_together() {
    let bench = Bench::new();
    for (number, name) in ["a.png", "b.jpg", "c.bmp"].iter().enumerate() {
        frame(number as u8).save(bench.at(name)).unwrap();
    }
    let output = bench.run(&["a.png", "*.[jb]*"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(bench.results(), ["a", "b", "c"]);
    assert!(said(&bench.run(&["*.gif"])).contains("matches no frame"));
}

#[test]
fn pipes_bring_pictures_videos_and_raw_frames() {
    let bench = Bench::new();
    frame(3).save(bench.at("a.png")).unwrap();
    let picture = bench.piped(&["-"], &fs::read(bench.at("a.png")).unwrap());
    assert!(picture.status.success(), "{}", said(&picture));
    assert_eq!(bench.results(), ["stdin"]);
    let picture = bench.piped(&["-"], &fs::read(bench.at("a.png")).unwrap().repeat(2));
    assert!(!picture.status.success() && said(&picture).contains("another picture follows"), "{}", said(&picture));
    assert_eq!(bench.results(), ["stdin"]);

    // Grey frames, as video and raw: the same labels.
    let grey: Vec<Vec<u8>> = (0..60u8).map(|number| (0..48 * 32).map(|at| (at % 48 * 4 + 2 * u32::from(number)) as u8).collect()).collect();
    let mut video = b"YUV4MPEG2 W48 H32 F25:1 Cmono\n".to_vec();
    grey.iter().for_each(|frame| video.extend([b"FRAME\n", &frame[..]].concat()));
    let output = bench.piped(&["-"], &video);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout).matches("network").count(), 2, "a table for every 50 frames");
    let labels = fs::read(bench.at("out/000059.labels.png")).unwrap();
    assert_eq!(bench.results(), (0..60).map(|number| format!("{number:06}")).collect::<Vec<_>>());
    let output = bench.piped(&["-", "--raw", "gray:48x32", "--json"], &grey.concat());
    assert!(output.status.success(), "{}", said(&output));
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(list[59]["frame"], "standard input#000059");
    assert_eq!(fs::read(bench.at("out/000059.labels.png")).unwrap(), labels);

    bench.results();
    let cut = bench.piped(&["-"], &video[..video.len() - 1]);
    assert!(!cut.status.success() && said(&cut).contains("#000059: truncated video"), "{}", said(&cut));
    assert_eq!(bench.results().len(), 59);
}

#[test]
fn raw_frames_of_a_file_are_what_their_colours_say() {
    let bench = Bench::new();
    // One frame of BT.601 red on the left, blue on the right.
    let luma: Vec<u8> = (0..32 * 32).map(|at| if at % 32 < 16 { 81 } else { 41 }).collect();
    let chroma: Vec<u8> = (0..16 * 16).flat_map(|at| if at % 16 < 8 { [90, 240] } else { [240, 110] }).collect();
    fs::write(bench.at("camera.bin"), [luma, chroma].concat()).unwrap();
    RgbImage::from_fn(32, 32, |x, _| Rgb(if x < 16 { [254, 0, 0] } else { [0, 0, 255] })).save(bench.at("shown.png")).unwrap();
    let output = bench.run(&["--raw", "nv12:32x32", "camera.bin"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(bench.run(&["shown.png"]).status.success());
    assert_eq!(fs::read(bench.at("out/camera.overlay.png")).unwrap(), fs::read(bench.at("out/shown.overlay.png")).unwrap());
    let text = said(&bench.run(&["--raw", "nv12:34x32", "camera.bin"]));
    assert!(text.contains("camera.bin: it ends inside a frame"), "{text}");
}

#[test]
fn labels_of_a_cameras_frame_are_those_of_the_picture_that_its_rows_make() {
    use hrvit_camera::{Filter, Fit, Format, Frame, Geometry, Kernels, Matrix, Range, Rows, Size, View};
    let bench = Bench::new();
    let (width, height) = (160, 90);
    let smooth = |x: usize, y: usize, step: usize| (40 + 170 * (x + step * y) / (160 + 90 * step)) as u8;
    let luma: Vec<u8> = (0..width * height).map(|at| smooth(at % width, at / width, 1)).collect();
    let chroma: Vec<u8> = (0..width * height / 2).map(|at| smooth(at % width, at / width, 3)).collect();
    let (nv12, size) = ([&luma[..], &chroma].concat(), Size { height: 32, width: 32 });
    // The same with 11 bytes behind each row.
    let gaps: Vec<u8> = nv12.chunks(width).flat_map(|row| [row, &[7; 11]].concat()).collect();
    let (u, v): (Vec<u8>, Vec<u8>) = chroma.chunks(2).map(|pair| (pair[0], pair[1])).unzip();
    let video = [b"YUV4MPEG2 W160 H90 F25:1 C420jpeg XCOLORRANGE=FULL\nFRAME\n", &luma[..], &u, &v].concat();
    let frame = Frame::packed(Format::Nv12, width, height, &nv12).unwrap().with_colour(Matrix::Bt709, Range::Full);
    for (fit, option) in [(Fit::Stretch, "stretch"), (Fit::Letterbox { bars: [124, 116, 104] }, "letterbox"), (Fit::Crop, "crop")] {
        let geometry = Geometry::new(width, height, View { fit, ..View::default() }, size).unwrap();
        let mut scratch = vec![0; Rows::scratch_words(Format::Nv12, &geometry, Filter::Area).unwrap()];
        let mut rows = Rows::new(Kernels::detect(), frame, geometry, Filter::Area, &mut scratch).unwrap();
        let mut pixels = vec![0; 3 * 32 * 32];
        pixels.chunks_exact_mut(96).enumerate().for_each(|(y, row)| rows.read(y, row).unwrap());
        RgbImage::from_raw(32, 32, pixels).unwrap().save(bench.at("rows.png")).unwrap();
        assert!(bench.run(&["rows.png"]).status.success());
        let read = |name: &str| fs::read(bench.at(&format!("out/{name}.labels.png"))).unwrap();
        let expected = read("rows");
        let options = ["--device-labels", "--resize", option];
        for (raw, bytes) in [("nv12:160x90,full,bt709", &nv12), ("nv12:160x90,bt709,full,stride=171", &gaps)] {
            let output = bench.piped(&[&options[..], &["--raw", raw, "-"]].concat(), bytes);
            assert!(output.status.success(), "{}", said(&output));
            assert!(read("000000") == expected, "{raw} {option}");
        }
        fs::write(bench.at("one.nv12"), &nv12).unwrap();
        let output = bench.run(&[&options[..], &["--raw", "nv12:160x90", "--full-range", "--matrix", "bt709", "one.nv12"]].concat());
        assert!(output.status.success(), "{}", said(&output));
        assert!(read("one") == expected, "{option}");
        let output = bench.piped(&[&options[..], &["--matrix", "bt709", "-"]].concat(), &video);
        assert!(output.status.success(), "{}", said(&output));
        assert!(read("000000") == expected, "y4m {option}");
        bench.results();
    }
}

#[test]
fn videos_come_through_ffmpeg_or_an_error_names_the_pipe() {
    let bench = Bench::new();
    fs::write(bench.at("drive.mp4"), "x").unwrap();
    let bin = bench.at("bin");
    fs::create_dir(&bin).unwrap();
    let output = bench.command(&["drive.mp4"]).env("PATH", &bin).output().unwrap();
    let text = said(&output);
    assert!(text.contains("takes ffmpeg") && text.contains("ffmpeg -i drive.mp4") && text.contains("| hrvit run"), "{text}");

    // A program of that name that writes two grey frames, whatever it reads.
    let ffmpeg = |body: &str| {
        fs::write(bin.join("ffmpeg"), format!("#!/bin/sh\n[ \"$1\" = -version ] && exit 0\n{body}\n")).unwrap();
        fs::set_permissions(bin.join("ffmpeg"), fs::Permissions::from_mode(0o755)).unwrap();
        bench.command(&["drive.mp4"]).env("PATH", format!("{}:/usr/bin:/bin", bin.display())).output().unwrap()
    };
    let frame = "printf 'FRAME\\n'; head -c 1536 /dev/zero";
    let output = ffmpeg(&format!("printf 'YUV4MPEG2 W48 H32 Cmono\\n'; {frame}; {frame}"));
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(bench.results(), ["000000", "000001"]);
    let output = ffmpeg(&format!("printf 'YUV4MPEG2 W48 H32 Cmono\\n'; {frame}; echo 'moov atom not found' >&2; exit 1"));
    assert!(!output.status.success() && said(&output).contains("moov atom not found"), "{}", said(&output));
    assert_eq!(bench.results(), ["000000"]);
}

#[test]
fn a_real_ffmpeg_gives_every_frame_once() {
    let ffmpeg =
        |arguments: &[&str], folder: &Path| Command::new("ffmpeg").current_dir(folder).args(["-nostdin", "-loglevel", "error"]).args(arguments).output();
    let bench = Bench::new();
    // Frames 1, 2, 5, 6, 7 and 11 of twelve, at the times that they had: a rate that varies.
    let chosen = "select='eq(n,1)+eq(n,2)+eq(n,5)+eq(n,6)+eq(n,7)+eq(n,11)'";
    let make =
        ["-f", "lavfi", "-i", "testsrc=size=96x64:rate=12:duration=1", "-vf", chosen, "-vsync", "vfr", "-pix_fmt", "yuv420p", "-c:v", "ffv1", "drive.mkv"];
    if !ffmpeg(&make, bench.folder.path()).is_ok_and(|made| made.status.success()) {
        // Not `eprintln`, which a passing test keeps to itself.
        writeln!(std::io::stderr(), "\na_real_ffmpeg_gives_every_frame_once: SKIPPED, there is no ffmpeg here that writes Matroska").unwrap();
        return;
    }
    let output = bench.run(&["drive.mkv"]);
    assert!(output.status.success(), "{}", said(&output));
    let labels = |at: usize| fs::read(bench.at(&format!("out/{at:06}.labels.png"))).unwrap();
    let direct: Vec<_> = (0..6).map(labels).collect();
    assert_eq!(bench.results().len(), 6);
    // The same through a pipe, and the same as frames that ffmpeg writes one by one but for its own
    // conversion of colours.
    let pipe = ffmpeg(&["-i", "drive.mkv", "-vsync", "passthrough", "-f", "yuv4mpegpipe", "-"], bench.folder.path()).unwrap();
    assert!(bench.piped(&["-"], &pipe.stdout).status.success());
    assert_eq!((0..6).map(labels).collect::<Vec<_>>(), direct);
    // A file that is cut is an error, and what was decoded is there.
    let whole = fs::read(bench.at("drive.mkv")).unwrap();
    fs::write(bench.at("cut.mkv"), &whole[..whole.len() / 2]).unwrap();
    bench.results();
    let output = bench.run(&["cut.mkv"]);
    assert!(!output.status.success() && said(&output).contains("cut.mkv"), "{}", said(&output));
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let bench = Bench::new();
    frame(1).save(bench.at("a.png")).unwrap();
    let mut child = bench.command(&["a.png"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    // The command says which weights it took.
    assert!(output.status.success() && said(&output).lines().all(|line| line.ends_with("the weights under their own names")), "{}", said(&output));
    assert_eq!(bench.results(), ["a"]);
    let mut inspect = Command::new(env!("CARGO_BIN_EXE_hrvit"));
    let mut child = inspect.args(["inspect", "--variant", "b1", "--emit-spec"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && said(&output).is_empty(), "{}", said(&output));
}

#[test]
fn a_turned_photograph_gives_the_labels_of_the_upright_one() {
    use image::ImageEncoder;
    let bench = Bench::new();
    frame(2).save(bench.at("upright.png")).unwrap();
    let stored = image::imageops::rotate270(&frame(2));
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::png::PngEncoder::new(&mut bytes);
    // Orientation 6: to be turned by 90 degrees clockwise.
    encoder.set_exif_metadata(b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".to_vec()).unwrap();
    encoder.write_image(stored.as_raw(), 32, 48, image::ExtendedColorType::Rgb8).unwrap();
    fs::write(bench.at("turned.png"), bytes).unwrap();
    assert!(bench.run(&["upright.png", "turned.png"]).status.success());
    for ending in ["labels", "overlay"] {
        let read = |name: &str| fs::read(bench.at(&format!("out/{name}.{ending}.png"))).unwrap();
        assert_eq!(read("turned"), read("upright"));
    }
}
