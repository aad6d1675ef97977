//! The files of an archive.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Archive, Kind};
use crate::command;

/// The name that programs load.
const SONAME: &str = "libhrvit.so.1";
const VERSION: &str = env!("CARGO_PKG_VERSION");

fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    std::fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}

/// Puts the shared library into `folder`/lib, and the name that linkers look for.
///
/// # Errors
/// If a file cannot be written.
pub fn shared(folder: &Path, library: &Path) -> Result<()> {
    let bytes = std::fs::read(library).with_context(|| format!("reading {}", library.display()))?;
    write(&folder.join("lib").join(SONAME), bytes)?;
    command::succeed(Command::new("strip").arg("--strip-debug").arg(folder.join("lib").join(SONAME))).or_else(|error| {
        // Another processor's: the tool of this one may not know it.
        command::succeed(Command::new("aarch64-linux-gnu-strip").arg("--strip-debug").arg(folder.join("lib").join(SONAME))).map_err(|_| error)
    })?;
    command::succeed(Command::new("ln").args(["-s", SONAME]).arg(folder.join("lib/libhrvit.so"))).map(drop)
}

/// Writes everything but the libraries: headers, files for build systems, the project's licences.
///
/// # Errors
/// If a file cannot be read or written.
pub fn around(root: &Path, archive: &Archive, folder: &Path) -> Result<()> {
    for header in ["hrvit.h", "hrvit.hpp", "hrvit_camera.hpp"] {
        let from = root.join("crates/hrvit-capi/include").join(header);
        write(&folder.join("include").join(header), std::fs::read(&from).with_context(|| format!("reading {}", from.display()))?)?;
    }
    for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
        write(&folder.join(licence), std::fs::read(root.join(licence)).with_context(|| format!("reading {licence}"))?)?;
    }
    let libraries = libraries(archive.kind);
    let has_shared = archive.kind == Kind::Linux;
    write(
        &folder.join("lib/pkgconfig/hrvit.pc"),
        pkg_config("hrvit", if has_shared { "-lhrvit" } else { "-l:libhrvit.a" }, if has_shared { &[] } else { libraries }),
    )?;
    if has_shared {
        write(&folder.join("lib/pkgconfig/hrvit-static.pc"), pkg_config("hrvit-static", "-l:libhrvit.a", libraries))?;
    }
    write(&folder.join("lib/cmake/hrvit/hrvit-config.cmake"), cmake(has_shared, libraries))?;
    write(&folder.join("lib/cmake/hrvit/hrvit-config-version.cmake"), cmake_version())
}

/// Libraries of the system that the static one needs.
fn libraries(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Linux => &["pthread", "m", "dl", "gcc_s"],
        Kind::Android => &["log", "m", "dl"],
        Kind::Device(_) => &[],
    }
}

/// The file for `name`, which links `library` and then `libraries` of the system. Linkers prefer a
/// shared library: the static one is named by its file.
fn pkg_config(name: &str, library: &str, libraries: &[&str]) -> String {
    let system: String = libraries.iter().map(|name| format!(" -l{name}")).collect();
    format!(
        "prefix=${{pcfiledir}}/../..\n\nName: {name}\nDescription: HRViT, a vision transformer for segmentation and classification, on one fixed arena\n\
         Version: {VERSION}\nCflags: -I${{prefix}}/include\nLibs: -L${{prefix}}/lib {library}{system}\n"
    )
}

/// `hrvit::static`, `hrvit::shared` where there is one, and `hrvit::hrvit`, which is the shared one
/// then.
fn cmake(has_shared: bool, libraries: &[&str]) -> String {
    let imported = |name: &str, kind: &str, file: &str, links: &str| {
        format!(
            "add_library(hrvit::{name} {kind} IMPORTED)\nset_target_properties(hrvit::{name} PROPERTIES\n    IMPORTED_LOCATION \"${{_hrvit}}/lib/{file}\"\n    \
             INTERFACE_INCLUDE_DIRECTORIES \"${{_hrvit}}/include\"{links})\n"
        )
    };
    let links = if libraries.is_empty() { String::new() } else { format!("\n    INTERFACE_LINK_LIBRARIES \"{}\"", libraries.join(";")) };
    let mut text =
        "if(TARGET hrvit::hrvit)\n    return()\nendif()\nget_filename_component(_hrvit \"${CMAKE_CURRENT_LIST_DIR}/../../..\" ABSOLUTE)\n".to_owned();
    text += &imported("static", "STATIC", "libhrvit.a", &links);
    if has_shared {
        text += &imported("shared", "SHARED", SONAME, &format!("\n    IMPORTED_SONAME {SONAME}"));
    }
    text + "add_library(hrvit::hrvit INTERFACE IMPORTED)\nset_target_properties(hrvit::hrvit PROPERTIES INTERFACE_LINK_LIBRARIES hrvit::"
        + if has_shared { "shared" } else { "static" }
        + ")\n"
}

/// A version of the same number before the first point will do, if it is not older than what is
/// asked for.
fn cmake_version() -> String {
    let major = VERSION.split('.').next().unwrap_or_default();
    format!(
        "set(PACKAGE_VERSION {VERSION})\nif(PACKAGE_FIND_VERSION VERSION_GREATER PACKAGE_VERSION OR NOT PACKAGE_FIND_VERSION_MAJOR EQUAL {major})\n    set(PACKAGE_VERSION_COMPATIBLE FALSE)\nelse()\n    \
         set(PACKAGE_VERSION_COMPATIBLE TRUE)\n    if(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)\n        set(PACKAGE_VERSION_EXACT TRUE)\n    endif()\nendif()\n"
    )
}

/// Packs a folder, the same bytes for the same files; returns the archive, its bytes and its
/// SHA-256.
///
/// # Errors
/// If tar fails.
pub fn pack(folder: &Path) -> Result<(PathBuf, u64, String)> {
    let (parent, name) = (folder.parent().context("a folder above")?, folder.file_name().context("a name")?);
    let file = parent.join(format!("{}.tar.gz", name.to_string_lossy()));
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0", "--mode=u=rwX,go=rX", "--use-compress-program=gzip -n -9", "-cf"]);
    command::succeed(tar.arg(&file).arg("-C").arg(parent).arg(name))?;
    let bytes = std::fs::metadata(&file).with_context(|| format!("reading {}", file.display()))?.len();
    let sum = command::succeed(Command::new("sha256sum").arg(&file))?;
    let sum = sum.split(' ').next().unwrap_or_default().to_owned();
    write(&file.with_extension("gz.sha256"), format!("{sum}  {}\n", file.file_name().unwrap_or_default().to_string_lossy()))?;
    Ok((file, bytes, sum))
}
