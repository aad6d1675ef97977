//! Frames of files and videos, whole and cut.

use super::*;

fn frames(paths: &[PathBuf], raw: Option<&str>) -> Vec<Frame> {
    let args = InputArgs { paths: paths.to_vec(), raw: raw.map(|text| text.parse().unwrap()), ..InputArgs::default() };
    args.open(std::path::Path::new("/nowhere")).unwrap().collect()
}

fn names(frames: &[Frame]) -> Vec<String> {
    frames.iter().map(|frame| frame.name.display().to_string()).collect()
}

#[test]
fn raw_frames_have_numbers_and_one_alone_the_files_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("one.gray"), [7; 6]).unwrap();
    std::fs::write(at("two.gray"), [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2]).unwrap();
    let two = frames(&[at("two.gray")], Some("gray:3x2"));
    assert_eq!(names(&two), ["000000", "000001"]);
    assert_eq!(two[1].pixels.as_ref().unwrap().rgb.as_raw(), &[2; 18]);
    assert!(two[1].origin.ends_with("two.gray#000001"));
    assert_eq!(names(&frames(&[folder.path().to_path_buf()], Some("gray:3x2"))), ["one", "two/000000", "two/000001"]);
    let cut = frames(&[at("two.gray")], Some("gray:5x2"));
    assert_eq!(cut.len(), 2);
    assert!(cut[1].pixels.as_ref().unwrap_err().to_string().contains("2 of 10 bytes"));
    std::fs::write(at("one.gray"), []).unwrap();
    assert!(frames(&[at("one.gray")], Some("gray:3x2"))[0].pixels.as_ref().unwrap_err().to_string().contains("no frame"));
}

#[test]
fn a_video_is_known_by_its_first_bytes_and_a_bad_file_is_one_frame_without_pixels() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("a.bin"), b"YUV4MPEG2 W1 H1 Cmono\nFRAME\nxFRAME\ny").unwrap();
    std::fs::write(at("b.png"), "no picture").unwrap();
    image::RgbImage::new(2, 3).save(at("c.png")).unwrap();
    let all = frames(&[at("b.png"), at("a.bin"), at("c.png")], None);
    assert_eq!(names(&all), ["b", "a/000000", "a/000001", "c"]);
    assert_eq!(all.iter().map(|frame| frame.pixels.is_ok()).collect::<Vec<_>>(), [false, true, true, true]);
    let args = InputArgs { paths: vec![at("b.png"), at("c.png")], ..InputArgs::default() };
    let mut stream = args.open(std::path::Path::new("/nowhere")).unwrap();
    let (height, width, origin) = stream.first_size().unwrap();
    assert_eq!((height, width, origin), (3, 2, at("c.png")));
    assert_eq!(names(&stream.collect::<Vec<_>>()), ["b", "c"]);
}
