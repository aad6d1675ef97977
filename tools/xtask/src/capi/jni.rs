//! Java: the classes and the C half of `examples/android`, on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, elf};

use super::programs::{STRICT, labels_crc};
use crate::command;
use crate::firmware::build::target_folder;
use crate::hrvit::path_text;

/// Folder of the sources.
const FOLDER: &str = "examples/android";
/// Alignment of a library's segments, for devices with pages of this size.
const PAGE: u64 = 16 << 10;
/// Link options of `examples/android/app/src/main/cpp/CMakeLists.txt` that are tried here.
const LINK: [&str; 5] = ["-Wl,-z,max-page-size=16384", "-Wl,-z,common-page-size=16384", "-Wl,--gc-sections", "-Wl,--exclude-libs,ALL", "-Wl,-z,defs"];

/// The folder of a Java development kit: `JAVA_HOME`, or that of `javac`.
pub fn kit() -> Result<PathBuf, String> {
    let named = std::env::var_os("JAVA_HOME").map(PathBuf::from).filter(|home| home.join("include/jni.h").is_file());
    let debian = ["/usr/lib/jvm/java-17-openjdk-amd64", "/usr/lib/jvm/java-17-openjdk-arm64"].map(PathBuf::from);
    let compiler = command::succeed(Command::new("sh").args(["-c", "readlink -f \"$(command -v javac)\""])).ok();
    let found = compiler.and_then(|path| Some(Path::new(path.trim()).parent()?.parent()?.to_owned()));
    let mut kits = named.into_iter().chain(debian).chain(found);
    kits.find(|home| home.join("include/jni.h").is_file() && home.join("bin/javac").is_file())
        .ok_or_else(|| "Java: no development kit here (apt-get install openjdk-17-jdk-headless, or set JAVA_HOME)".to_owned())
}

/// Compiles both halves against the static library and runs the golden frame; returns what was
/// printed, and the CRC.
///
/// # Errors
/// If something does not compile, fails, or the library is not aligned to pages of 16 KiB.
pub fn run(root: &Path, kit: &Path, archive: &Path, model: &Path) -> Result<(String, u32)> {
    let folder = target_folder(root).join("capi/jni");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let (include, library) = (kit.join("include"), folder.join("libhrvit_jni.so"));
    let mut compiler = Command::new("gcc");
    compiler.current_dir(root).args(["-std=c99", "-O2", "-shared", "-fPIC", "-fvisibility=hidden", "-ffunction-sections"]).args(STRICT);
    for path in [include.clone(), include.join("linux"), root.join("crates/hrvit-capi/include")] {
        compiler.arg("-I").arg(path);
    }
    compiler.arg(format!("{FOLDER}/app/src/main/cpp/hrvit_jni.c")).arg(archive).args(LINK);
    command::succeed(compiler.args(["-lpthread", "-lm", "-ldl", "-lgcc_s", "-lc", "-o"]).arg(&library))?;
    aligned(&library)?;

    let sources = ["HrvitException", "Segmenter"].map(|name| format!("{FOLDER}/app/src/main/java/org/hrvit/{name}.java"));
    let mut javac = Command::new(kit.join("bin/javac"));
    javac.current_dir(root).args(["--release", "11", "-Xlint:all,-options", "-Werror", "-d"]).arg(&folder).args(&sources[..]);
    command::succeed(&mut javac)?;
    let mut javac = Command::new(kit.join("bin/javac"));
    javac.current_dir(root).args(["-Xlint:all", "-Werror", "-cp", path_text(&folder)?, "-d"]).arg(&folder);
    command::succeed(javac.arg(format!("{FOLDER}/desk/SegmentGolden.java")))?;
    let mut java = Command::new(kit.join("bin/java"));
    java.args(["-Xcheck:jni", "-cp", path_text(&folder)?]).arg(format!("-Djava.library.path={}", folder.display())).arg("SegmentGolden");
    labels_crc(java.arg(model))
}

/// Every segment that is loaded begins at a multiple of [`PAGE`].
fn aligned(library: &Path) -> Result<()> {
    let bytes = std::fs::read(library).with_context(|| format!("reading {}", library.display()))?;
    let header = elf::FileHeader64::<Endianness>::parse(&*bytes)?;
    let endian = header.endian()?;
    for segment in header.program_headers(endian, &*bytes)?.iter().filter(|segment| segment.p_type(endian) == elf::PT_LOAD) {
        ensure!(segment.p_align(endian) >= PAGE, "{}: a segment is aligned to {} bytes, expected {PAGE}", library.display(), segment.p_align(endian));
    }
    Ok(())
}
