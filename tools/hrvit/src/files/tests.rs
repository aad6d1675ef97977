use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::*;

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

/// Why a path cannot be written, which a probe says before.
fn refused(path: &Path) -> String {
    let (early, late) = (format!("{:#}", probe(path).unwrap_err()), format!("{:#}", write(path, b"x").unwrap_err()));
    assert!(early.contains(text(path)) && late.contains(text(path)), "{early}; {late}");
    let reason = |error: String| error.split_once(text(path)).unwrap().1.trim_start_matches(" cannot be written").to_owned();
    let early = reason(early);
    assert_eq!(early, reason(late));
    early
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn write_makes_folders_replaces_and_leaves_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b.bin");
    write(&path, b"old").unwrap();
    write(&path, b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(names(&folder.path().join("a")), ["b.bin"]);
}

/// A device that takes everything: a node in `folder`, never the machine's own, which a broken
/// [`write()`] would replace. `None` where the user may make none.
fn device(folder: &Path) -> Option<PathBuf> {
    let node = folder.join("null");
    let made = Command::new("mknod").arg(&node).args(["c", "1", "3"]).output().unwrap().status.success();
    // A file system may hold nodes that nobody can open.
    (made && OpenOptions::new().write(true).open(&node).is_ok()).then_some(node)
}

#[test]
fn a_device_stays_one() {
    let folder = tempfile::tempdir().unwrap();
    let Some(node) = device(folder.path()) else {
        println!("SKIPPED: this user can make no device");
        return;
    };
    let link = folder.path().join("link");
    symlink("null", &link).unwrap();
    for path in [&node, &link] {
        probe(path).unwrap();
        write(path, b"gone").unwrap();
        assert!(fs::symlink_metadata(&node).unwrap().file_type().is_char_device());
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("null"));
    }
    assert_eq!(names(folder.path()), ["link", "null"]);
}

#[test]
fn a_pipe_stays_one_and_its_reader_has_the_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = pipe(folder.path());
    probe(&path).unwrap();
    let bytes = vec![7; 300_000];
    let reader = thread::spawn({
        let path = path.clone();
        move || fs::read(path).unwrap()
    });
    write(&path, &bytes).unwrap();
    assert_eq!(reader.join().unwrap(), bytes);
    assert!(fs::symlink_metadata(&path).unwrap().file_type().is_fifo());
}

#[test]
fn links_are_followed_and_stay() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("other")).unwrap();
    fs::write(at("other/file"), "old").unwrap();
    symlink("other/file", at("link")).unwrap();
    symlink("link", at("link to link")).unwrap();
    symlink("other/missing", at("to nothing")).unwrap();
    for (name, file) in [("link", "other/file"), ("link to link", "other/file"), ("to nothing", "other/missing")] {
        probe(&at(name)).unwrap();
        write(&at(name), name.as_bytes()).unwrap();
        assert!(fs::symlink_metadata(at(name)).unwrap().is_symlink(), "{name}");
        assert_eq!(fs::read_to_string(at(file)).unwrap(), name);
        assert!(!fs::symlink_metadata(at(file)).unwrap().is_symlink());
    }
    assert_eq!(names(&at("other")), ["file", "missing"]);
}

#[test]
fn links_in_a_circle_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    symlink("b", folder.path().join("a")).unwrap();
    symlink("a", folder.path().join("b")).unwrap();
    refused(&folder.path().join("a"));
    assert_eq!(names(folder.path()), ["a", "b"]);
}

#[test]
fn folders_and_sockets_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    assert!(refused(folder.path()).contains("is a folder: name a file in it"));
    assert!(refused(&folder.path().join("new/")).contains("is a folder"));
    let link = folder.path().join("link");
    symlink(".", &link).unwrap();
    assert!(refused(&link).contains("is a folder"));
    let socket = folder.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    assert!(refused(&socket).contains("is a socket"));
    assert!(format!("{:#}", probe(Path::new("")).unwrap_err()).contains("empty"));
    assert_eq!(names(folder.path()), ["link", "socket"], "neither made nor left anything");
}

#[test]
fn a_place_under_a_file_is_refused_before_and_after() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), b"").unwrap();
    refused(&folder.path().join("a/b"));
    refused(&folder.path().join("a/b/c"));
    let error = format!("{:#}", probe_folder(&folder.path().join("a")).unwrap_err());
    assert!(error.contains("it is a file: name a folder"), "{error}");
    assert!(probe_folder(&folder.path().join("a/b")).is_err());
    assert_eq!(names(folder.path()), ["a"]);
}

#[test]
fn a_probe_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    probe(&path).unwrap();
    assert_eq!(names(folder.path()), [] as [&str; 0]);
    fs::write(&path, "old").unwrap();
    probe(&path).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    probe_folder(&folder.path().join("b/c")).unwrap();
    assert_eq!(names(&folder.path().join("b")), ["c"]);
    assert_eq!(names(&folder.path().join("b/c")), [] as [&str; 0]);
}

#[test]
fn a_replaced_file_keeps_its_mode() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for mode in [0o600, 0o640, 0o777] {
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode);
    }
}

#[test]
fn names_of_temporary_files_are_not_those_of_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let made: Vec<Temporary> = (0..8).map(|_| Temporary::new(folder.path(), None).unwrap()).collect();
    let found = names(folder.path());
    assert_eq!(found.len(), 8);
    let known = ledger().temporary.clone();
    assert!(found.iter().all(|name| known.contains(&folder.path().join(name))), "a signal removes them all");
    assert!(found.iter().all(|name| name.len() >= PREFIX.len() + 6 && !name.contains(&std::process::id().to_string())), "{found:?}");
    drop(made);
    assert!(!ledger().temporary.iter().any(|path| path.starts_with(folder.path())));
    assert_eq!(names(folder.path()), [] as [&str; 0]);
}

#[test]
fn what_was_written_is_said_folder_by_folder() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["first", "second", "third"] {
        write(&folder.path().join(name), b"x").unwrap();
    }
    let said = left().unwrap();
    assert!(said.contains(&format!("3 files, first to third, in {}", folder.path().display())), "{said}");
}

/// Names the folder to the process that waits for a signal.
const FOLDER: &str = "HRVIT_TEST_FOLDER";
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_signal_removes_what_is_temporary_and_ends_the_process() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        remove_on_signals().unwrap();
        let mut file = Temporary::new(Path::new(&folder), None).unwrap();
        file.write(b"half").unwrap();
        thread::sleep(PATIENCE);
        panic!("no signal came");
    }
    for signal in [2, 15] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "files::tests::a_signal_removes_what_is_temporary_and_ends_the_process", "--nocapture"]);
        let mut child = child.env(FOLDER, folder.path()).stdout(Stdio::null()).spawn().unwrap();
        let start = Instant::now();
        let made = || names(folder.path()).iter().any(|name| fs::read(folder.path().join(name)).is_ok_and(|bytes| bytes == b"half"));
        while !made() {
            assert!(start.elapsed() < PATIENCE && child.try_wait().unwrap().is_none(), "no temporary file was seen");
            thread::sleep(Duration::from_millis(5));
        }
        assert!(Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status().unwrap().success());
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(signal), "{status}");
        assert_eq!(names(folder.path()), [] as [&str; 0]);
    }
}
