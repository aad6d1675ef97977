//! `hrvit eval` on tiny data sets of every layout: its figures are those that a few lines here find
//! from what `hrvit run` writes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use hrvit_tool::labels::{self, LabelMap};
use hrvit_tool::overlay;
use hrvit_tool::palette::Classes;
use image::{GrayImage, Rgb, RgbImage};
use serde_json::Value;

const CLASSES: usize = 19;
/// Numbers of Cityscapes' 19 classes in label files.
const IDS: [u8; CLASSES] = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33];
const NETWORK: [&str; 6] = ["--variant", "nano", "--classes", "19", "--size", "32x32"];

fn hrvit(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hrvit")).args(arguments).output().expect("the hrvit binary starts")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", said(output));
    serde_json::from_slice(&output.stdout).expect("standard output is one JSON document")
}

fn frame(number: usize) -> RgbImage {
    RgbImage::from_fn(48, 32, |x, y| Rgb([(x * (5 + number as u32)) as u8, (7 * y + 40 * number as u32) as u8, (x * y / 3) as u8]))
}

/// Six frames, what the float network of random weights makes of them, and a truth that is half of
/// that.
struct Data {
    folder: tempfile::TempDir,
    weights: PathBuf,
    truth: Vec<LabelMap>,
    miou: f64,
    accuracy: f64,
}

/// Mean IoU and accuracy, by their definitions.
fn quality(truth: &[LabelMap], predicted: &[LabelMap]) -> (f64, f64) {
    let pixels: Vec<(usize, usize)> = truth
        .iter()
        .zip(predicted)
        .flat_map(|(a, b)| a.data.iter().zip(&b.data))
        .map(|(a, b)| (usize::from(*a), usize::from(*b)))
        .filter(|(a, _)| *a < CLASSES)
        .collect();
    let count = |of: &dyn Fn(usize, usize) -> bool| pixels.iter().filter(|(a, b)| of(*a, *b)).count() as f64;
    let ious: Vec<f64> = (0..CLASSES)
        .filter(|&class| pixels.iter().any(|&(a, b)| a == class || b == class))
        .map(|class| count(&|a, b| a == class && b == class) / count(&|a, b| a == class || b == class))
        .collect();
    (ious.iter().sum::<f64>() / ious.len() as f64, count(&|a, b| a == b) / pixels.len() as f64)
}

impl Data {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (weights, frames, out) = (folder.path().join("nano.safetensors"), folder.path().join("frames"), folder.path().join("out"));
        json(&hrvit(&["synth", "--variant", "nano", "--classes", "19", "--seed", "5", "--json", "--out", text(&weights)]));
        fs::create_dir(&frames).unwrap();
        (0..6).for_each(|number| frame(number).save(frames.join(format!("{number}.png"))).unwrap());
        let run = ["run", "--float", "--smooth", "--json", "--weights", text(&weights), "--out", text(&out), text(&frames)];
        json(&hrvit(&[&run[..], &NETWORK].concat()));
        let predicted: Vec<LabelMap> = (0..6).map(|number| labels::read(&out.join(format!("{number}.labels.png"))).unwrap()).collect();
        let wrong = |(at, &class): (usize, &u8)| match at % 7 {
            0..=3 => class,
            4 => 255,
            other => (class + other as u8) % CLASSES as u8,
        };
        let truth: Vec<LabelMap> =
            predicted.iter().map(|map| LabelMap::new(map.height, map.width, map.data.iter().enumerate().map(wrong).collect()).unwrap()).collect();
        let (miou, accuracy) = quality(&truth, &predicted);
        assert!(miou > 0.05 && miou < 0.9, "{miou}");
        Self { folder, weights, truth, miou, accuracy }
    }

    /// Writes frame and labels of every number to where `place` says; `pixel` makes the label
    /// file's value of a class.
    fn lay_out(&self, name: &str, place: impl Fn(usize) -> (String, String), pixel: impl Fn(usize, u8) -> u8) -> PathBuf {
        let root = self.folder.path().join(name);
        for (number, truth) in self.truth.iter().enumerate() {
            let (image, labels) = place(number);
            let grey = GrayImage::from_raw(48, 32, truth.data.iter().map(|&class| pixel(number, class)).collect()).unwrap();
            save(&root.join(image), |path| frame(number).save(path).unwrap());
            save(&root.join(labels), |path| grey.save(path).unwrap());
        }
        root
    }

    fn plain(&self, name: &str, pixel: impl Fn(usize, u8) -> u8) -> PathBuf {
        self.lay_out(name, |number| (format!("images/{number}.png"), format!("labels/{number}.png")), pixel)
    }

    fn eval(&self, data: &Path, more: &[&str]) -> Output {
        let eval = ["eval", "--float-only", "--json", "--weights", text(&self.weights), "--data", text(data)];
        hrvit(&[&eval[..], &NETWORK, more].concat())
    }

    fn is_right(&self, data: &Path, more: &[&str]) {
        let found = json(&self.eval(data, more));
        let near = |value: &Value, expected: f64| (value.as_f64().unwrap() - expected).abs() < 1e-12;
        assert!(
            near(&found["float"]["miou"], self.miou) && near(&found["float"]["pixel_accuracy"], self.accuracy),
            "{more:?}: {found}, expected {}",
            self.miou
        );
        assert_eq!(found["frames"], 6);
    }
}

fn save(path: &Path, write: impl FnOnce(&Path)) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    write(path);
}

fn data() -> &'static Data {
    static DATA: OnceLock<Data> = OnceLock::new();
    DATA.get_or_init(Data::new)
}

#[test]
fn every_layout_gives_the_figures_of_the_definition() {
    let data = data();
    data.is_right(&data.plain("plain", |_, class| class), &[]);
    let city = |number: usize| ["aachen", "bonn"][number / 3];
    let cityscapes = data.lay_out(
        "cityscapes",
        |number| {
            // Three frames have train ids, beside ids that are not theirs; three have ids alone.
            let (city, kind) = (city(number), if number < 3 { "labelTrainIds" } else { "labelIds" });
            (format!("leftImg8bit/val/{city}/{city}_{number}_leftImg8bit.png"), format!("gtFine/val/{city}/{city}_{number}_gtFine_{kind}.png"))
        },
        |number, class| if number < 3 { class } else { IDS.get(usize::from(class)).copied().unwrap_or(4) },
    );
    fs::copy(cityscapes.join("gtFine/val/bonn/bonn_3_gtFine_labelIds.png"), cityscapes.join("gtFine/val/aachen/aachen_0_gtFine_labelIds.png")).unwrap();
    data.is_right(&cityscapes, &["--dataset", "cityscapes"]);
    fs::copy(cityscapes.join("leftImg8bit/val/bonn/bonn_3_leftImg8bit.png"), cityscapes.join("leftImg8bit/val/bonn/other.png")).unwrap();
    assert!(said(&data.eval(&cityscapes, &["--dataset", "cityscapes"])).contains("bonn/other.png: expected a name like X_leftImg8bit.png"));
    let ade = data.lay_out(
        "ade",
        |number| (format!("images/validation/ADE_val_{number}.png"), format!("annotations/validation/ADE_val_{number}.png")),
        |_, class| class.wrapping_add(1),
    );
    data.is_right(&ade, &["--dataset", "ade20k", "--split", "validation"]);
    assert!(said(&data.eval(&ade, &["--dataset", "ade20k", "--split", "test"])).contains("test"));
    let camvid = data.folder.path().join("camvid");
    for (number, truth) in data.truth.iter().enumerate() {
        save(&camvid.join(format!("val/{number}.png")), |path| frame(number).save(path).unwrap());
        let colours = overlay::coloured(truth, &Classes::numbered(CLASSES)).unwrap();
        save(&camvid.join(format!("val_labels/{number}_L.png")), |path| colours.save(path).unwrap());
    }
    data.is_right(&camvid, &["--dataset", "camvid", "--split", "val"]);
    assert!(said(&data.eval(&camvid, &["--dataset", "camvid", "--split", "val", "--labels-by", "index"])).contains("colours"));
}

#[test]
fn labels_are_mapped_shifted_and_left_out() {
    let data = data();
    let moved = data.plain("moved", |_, class| if class == 255 { 255 } else { 100 + class });
    let map = data.folder.path().join("map.toml");
    let lines: String =
        (0..CLASSES).map(|class| format!("{} = {}\n", 100 + class, if class == 3 { "\"class 3\"".to_owned() } else { class.to_string() })).collect();
    fs::write(&map, lines).unwrap();
    data.is_right(&moved, &["--label-map", text(&map)]);
    data.is_right(&moved, &["--label-offset", "-100"]);
    // Void is a class's number in the files.
    let void = data.plain("void", |_, class| if class == 255 { 7 } else { class + 20 });
    data.is_right(&void, &["--label-offset", "-20", "--ignore", "7"]);
    let off = data.plain("off", |_, class| class.wrapping_add(1));
    // All right but for the numbers: the network's own labels, one up.
    let right = data.folder.path().join("right");
    for number in 0..6 {
        save(&right.join(format!("images/{number}.png")), |path| frame(number).save(path).unwrap());
        let own = labels::read(&data.folder.path().join(format!("out/{number}.labels.png"))).unwrap();
        let up = GrayImage::from_raw(48, 32, own.data.iter().map(|class| class + 1).collect()).unwrap();
        save(&right.join(format!("labels/{number}.png")), |path| up.save(path).unwrap());
    }
    let output = data.eval(&right, &[]);
    assert!(output.status.success() && said(&output).contains("most pixels lie one class off: --label-offset -1?"), "{}", said(&output));
    assert!(!said(&data.eval(&right, &["--label-offset", "-1"])).contains("hint"));
    data.is_right(&off, &["--label-offset", "-1"]);
}

#[test]
fn what_cannot_be_judged_is_said_before_the_work() {
    let data = data();
    let bad = data.plain("bad", |_, class| class);
    let whole = fs::read(bad.join("images/1.png")).unwrap();
    fs::write(bad.join("images/1.png"), &whole[..whole.len() / 2]).unwrap();
    fs::write(bad.join("labels/3.png"), "no picture").unwrap();
    image::imageops::rotate90(&GrayImage::new(48, 32)).save(bad.join("labels/4.png")).unwrap();
    let text = said(&data.eval(&bad, &[]));
    assert!(text.contains("3 of 6") && text.contains("images/1.png") && text.contains("labels/3.png"), "{text}");
    assert!(text.contains("the frame has 32x48 pixels (height x width), its labels") && text.contains("have 48x32"), "{text}");

    let void = data.plain("void all", |number, class| if number == 0 { class } else { [254, 255][usize::from(class % 2)] });
    let output = data.eval(&void, &[]);
    assert!(output.status.success() && said(&output).contains("no pixel of 1 has a class below 19; values found: 254, 255"), "{}", said(&output));
    let output = data.eval(&data.plain("void all", |_, class| [254, 255][usize::from(class % 2)]), &[]);
    assert!(!output.status.success() && said(&output).contains("no pixel of 0 has a class below 19; values found: 254, 255"), "{}", said(&output));

    let double = data.plain("double", |_, class| class);
    frame(0).save(double.join("images/0.jpg")).unwrap();
    let text = said(&data.eval(&double, &[]));
    assert!(text.contains("0.jpg") && text.contains("0.png") && text.contains("same name"), "{text}");
    fs::remove_file(double.join("images/0.jpg")).unwrap();
    (0..2).for_each(|number| fs::remove_file(double.join(format!("labels/{number}.png"))).unwrap());
    let text = said(&data.eval(&double, &[]));
    assert!(text.contains("2 of 6") && text.contains("labels/0.png") && text.contains("labels/1.png"), "{text}");
}

#[test]
fn parts_join_to_the_very_bytes_of_the_whole() {
    let data = data();
    let folder = data.folder.path();
    let (calib, model, plain) = (folder.join("frames"), folder.join("m.hrvit"), data.plain("parts", |_, class| class));
    let quantize = ["quantize", "--weights", text(&data.weights), "--calib", text(&calib), "--force", "--allow-drift", "--json", "--out", text(&model)];
    json(&hrvit(&[&quantize[..], &NETWORK].concat()));
    let eval = |more: &[&str]| hrvit(&[&["eval", "--model", text(&model), "--weights", text(&data.weights), "--data", text(&plain)], more].concat());
    let whole = eval(&["--json"]);
    let found = json(&whole);
    assert!((found["float"]["miou"].as_f64().unwrap() - data.miou).abs() < 1e-12 && found["logits_sqnr_db"].is_number(), "{found}");
    let parts: Vec<String> = (1..=4)
        .map(|number| {
            let out = text(&folder.join(format!("part{number}.json"))).to_owned();
            let output = eval(&["--shard", &format!("{number}/4"), "--out", &out]);
            assert!(output.status.success(), "{}", said(&output));
            out
        })
        .collect();
    // The report reads the same layouts.
    let ade = data.lay_out(
        "report",
        |number| (format!("images/validation/{number}.png"), format!("annotations/validation/{number}.png")),
        |_, class| class.wrapping_add(1),
    );
    let (page, more) = (folder.join("r.html"), ["--dataset", "ade20k", "--step-frames", "1", "--resamples", "2", "--worst", "1", "--json"]);
    let report = ["report", "--model", text(&model), "--weights", text(&data.weights), "--data", text(&ade), "--out", text(&page)];
    let drift = json(&hrvit(&[&report[..], &more].concat()));
    assert!((drift["quality"][0]["miou"]["value"].as_f64().unwrap() - data.miou).abs() < 1e-12, "{drift}");
    let merge = |parts: &[&str]| hrvit(&[&["eval", "--json", "--merge"], parts].concat());
    let [one, two, three, four] = [0, 1, 2, 3].map(|number| parts[number].as_str());
    let joined = merge(&[three, one, four, two]);
    assert_eq!(String::from_utf8_lossy(&joined.stdout), String::from_utf8_lossy(&whole.stdout), "{}", said(&joined));
    assert!(said(&merge(&[one, two, four])).contains("parts are missing: 3/4"));
    let text_of = said(&merge(&[one, two, three, four, two]));
    assert!(text_of.contains("are both part 2 of 4"), "{text_of}");
    let foreign = folder.join("foreign.json");
    fs::write(&foreign, eval(&["--shard", "3/4", "--ignore", "2"]).stdout).unwrap();
    assert!(said(&merge(&[one, two, text(&foreign), four])).contains("not of one evaluation: they differ in the data set"));
    fs::write(&foreign, fs::read_to_string(three).unwrap().replace("[3,4]", "[2,4]")).unwrap();
    assert!(said(&merge(&[one, text(&foreign)])).contains("its blocks are not those of part 2 of 4"));
    assert!(said(&eval(&["--shard", "0/4"])).contains("I from 1 to N"));
    assert!(eval(&["--shard", "1/7"]).status.success() && said(&eval(&["--shard", "7/7"])).contains("6 parts at most"));
}

#[test]
fn a_classifier_has_top_1_and_top_5() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (weights, root, out) = (at("c.safetensors"), at("imagenet"), at("out"));
    let network = ["--variant", "nano", "--head", "classifier", "--classes", "7"];
    json(&hrvit(&[&["synth", "--seed", "3", "--json", "--out", text(&weights)], &network[..]].concat()));
    let names = ["bird", "car", "dog", "fish", "house", "lamp", "tree"];
    for (number, name) in names.iter().enumerate() {
        (0..3).for_each(|nth| save(&root.join(format!("val/{name}/{nth}.png")), |path| frame(7 * nth + number).save(path).unwrap()));
    }
    fs::create_dir_all(root.join("val/.cache")).unwrap();
    let common = [&network[..], &["--size", "32x32", "--json", "--weights", text(&weights)]].concat();
    let val = root.join("val");
    let list = json(&hrvit(&[&["run", "--float", "--recursive", "--out", text(&out), text(&val)], &common[..]].concat()));
    let (mut first, mut among) = (0, 0);
    for one in list.as_array().unwrap() {
        let class = names.iter().position(|name| one["frame"].as_str().unwrap().contains(&format!("/{name}/"))).unwrap();
        let best: Vec<usize> = one["classes"].as_array().unwrap().iter().map(|found| found["class"].as_u64().unwrap() as usize).collect();
        first += usize::from(best[0] == class);
        among += usize::from(best.contains(&class));
    }
    let eval = |more: &[&str]| hrvit(&[&["eval", "--float-only", "--data", text(&root)], &common[..], more].concat());
    let found = json(&eval(&["--dataset", "imagenet"]));
    let expected = |hits: usize| Some(hits as f64 / 21.0);
    assert_eq!((found["float"]["top1"].as_f64(), found["float"]["top5"].as_f64(), found["frames"].as_u64()), (expected(first), expected(among), Some(21)));
    assert!(among > first && among < 21, "{first} and {among} of 21");

    // The same classes by a file, and two folders that are none of the model's.
    let map = at("map.toml");
    let lines: String = names.iter().enumerate().map(|(class, name)| format!("{name} = {class}\n")).collect();
    fs::write(&map, format!("{lines}rest = \"ignore\"\n")).unwrap();
    for name in ["aardvark", "zebra"] {
        save(&root.join(format!("val/{name}/0.png")), |path| frame(1).save(path).unwrap());
    }
    assert!(said(&eval(&["--dataset", "imagenet"])).contains("9 class folders, the model has 7 classes"));
    assert_eq!(json(&eval(&["--dataset", "imagenet", "--label-map", text(&map)])), found);
    fs::write(&map, lines).unwrap();
    assert!(said(&eval(&["--dataset", "imagenet", "--label-map", text(&map)])).contains("class folder aardvark is not in the label map"));
    let merged: Vec<String> = (1..=2)
        .map(|number| {
            let path = at(&format!("{number}.json"));
            fs::write(&map, format!("{}rest = \"ignore\"\n", fs::read_to_string(&map).unwrap().replace("rest = \"ignore\"\n", ""))).unwrap();
            fs::write(&path, eval(&["--dataset", "imagenet", "--label-map", text(&map), "--shard", &format!("{number}/2")]).stdout).unwrap();
            text(&path).to_owned()
        })
        .collect();
    assert_eq!(json(&hrvit(&["eval", "--json", "--merge", &merged[1], &merged[0]])), found);
    assert!(said(&eval(&["--dataset", "cityscapes"])).contains("a classifier takes"));
}

#[test]
fn calibration_frames_come_from_a_data_sets_training_part() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for number in 0..3 {
        for place in [
            format!("city/leftImg8bit/train/bonn/b_{number}_leftImg8bit.png"),
            format!("ade/images/training/{number}.png"),
            format!("net/train/c{number}/x.png"),
            format!("plain/images/{number}.png"),
            format!("cam/train/{number}.png"),
            format!("cam/trainannot/{number}.png"),
        ] {
            save(&root.join(place), |path| frame(number).save(path).unwrap());
        }
    }
    for (layout, name) in [("cityscapes", "city"), ("ade20k", "ade"), ("imagenet", "net"), ("folder", "plain"), ("camvid", "cam")] {
        let (weights, out, data) = (&data().weights, root.join("m.hrvit"), root.join(name));
        let quantize = ["quantize", "--weights", text(weights), "--dataset", layout, "--calib", text(&data), "--json", "--out", text(&out)];
        // Three frames are found, and are too few.
        let text = said(&hrvit(&[&quantize[..], &NETWORK].concat()));
        assert!(text.contains("3 frames: expected at least 8"), "{layout}: {text}");
    }
    assert!(said(&hrvit(&[&["quantize", "--weights", "none", "--calib", "none", "--split", "x", "--out", "m"], &NETWORK[..]].concat())).contains("--dataset"));
}
