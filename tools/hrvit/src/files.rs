//! Files that a command leaves behind: whole or not there, and known by name when it fails.
//!
//! A regular file is written beside its place under a name that cannot be guessed, then renamed. A
//! reader sees the old file or the new one, never a part. A link is followed, and stays. A device
//! or a pipe is written to as it is: renaming would put a file in its place.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use tempfile::NamedTempFile;

/// Links that lead to one another, at most; as many as Linux follows.
const MOST_LINKS: usize = 40;
/// Names of temporary files start like this.
const PREFIX: &str = ".hrvit-";

/// Files that this process has written, folder by folder, and those that it is writing.
struct Ledger {
    written: BTreeMap<PathBuf, Written>,
    temporary: Vec<PathBuf>,
}

/// Files that were written into a folder.
struct Written {
    count: u64,
    first: String,
    last: String,
}

static LEDGER: Mutex<Ledger> = Mutex::new(Ledger { written: BTreeMap::new(), temporary: Vec::new() });

fn ledger() -> MutexGuard<'static, Ledger> {
    LEDGER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a temporary file that is gone, or has its name, off the ledger.
fn forget(temporary: &Path) {
    ledger().temporary.retain(|other| other != temporary);
}

/// Kind of thing that a path leads to.
enum Place {
    /// A regular file, or nothing yet, behind all links; the mode of the file that is there.
    File(PathBuf, Option<Permissions>),
    /// A device or a pipe: written to where it is.
    Stream { pipe: bool },
}

impl Place {
    fn of(path: &Path) -> Result<Self> {
        ensure!(!path.as_os_str().is_empty(), "the name is empty: expected that of a file");
        let mut path = path.to_path_buf();
        for _ in 0..MOST_LINKS {
            let folder = path.is_dir() || path.as_os_str().as_encoded_bytes().last().is_some_and(|&byte| std::path::is_separator(byte.into()));
            ensure!(!folder, "{} is a folder: name a file in it", path.display());
            match fs::metadata(&path) {
                Ok(found) if found.is_file() => return Ok(Self::File(fs::canonicalize(&path)?, Some(found.permissions()))),
                Ok(found) => return Self::stream(&found),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
            match fs::read_link(&path) {
                // A link to nothing: the file is made where it points to.
                Ok(target) => path = folder_of(&path).join(target),
                Err(_) => return Ok(Self::File(path, None)),
            }
        }
        bail!("links lead in a circle")
    }

    #[cfg(unix)]
    fn stream(found: &fs::Metadata) -> Result<Self> {
        use std::os::unix::fs::FileTypeExt;
        ensure!(!found.file_type().is_socket(), "is a socket: expected a file, a device or a pipe");
        Ok(Self::Stream { pipe: found.file_type().is_fifo() })
    }

    #[cfg(not(unix))]
    fn stream(_found: &fs::Metadata) -> Result<Self> {
        Ok(Self::Stream { pipe: false })
    }
}

/// A file that is removed unless it is kept, by the program's end or a signal.
struct Temporary(Option<NamedTempFile>);

impl Temporary {
    /// An empty file in `folder`; with `permissions` if there are any, else with those of a new
    /// file.
    fn new(folder: &Path, permissions: Option<&Permissions>) -> Result<Self> {
        // Nothing is made while a signal is handled: the lock is held then.
        let mut ledger = ledger();
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX);
        // Of these bits the system takes away those of the process's umask.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(folder).with_context(|| format!("folder {}", folder.display()))?;
        ledger.temporary.push(file.path().to_path_buf());
        drop(ledger);
        let made = Self(Some(file));
        if let (Some(permissions), Some(file)) = (permissions, &made.0) {
            file.as_file().set_permissions(permissions.clone()).context("setting permissions")?;
        }
        Ok(made)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let file = self.0.as_mut().context("a temporary file is written once")?;
        file.write_all(bytes)?;
        Ok(file.as_file().sync_all()?)
    }

    /// Gives it its name.
    fn keep(mut self, path: &Path) -> Result<()> {
        let file = self.0.take().context("a temporary file is kept once")?;
        let temporary = file.path().to_path_buf();
        // A failure drops the file, which removes it.
        let kept = file.persist(path).map(drop).map_err(|error| error.error);
        forget(&temporary);
        Ok(kept?)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(file) = self.0.take() {
            let temporary = file.path().to_path_buf();
            drop(file);
            forget(&temporary);
        }
    }
}

/// Writes `bytes` to `path`. A file is written whole or not at all, with the mode of the file that
/// it replaces, or by the umask. A device or a pipe is written to directly. Creates missing
/// folders.
///
/// # Errors
/// If `path` is a folder, its folder cannot be made, or the file cannot be written; names the path.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> Result<()> {
        match Place::of(path)? {
            Place::File(place, permissions) => {
                let folder = folder_of(&place);
                make(folder)?;
                let mut file = Temporary::new(folder, permissions.as_ref())?;
                file.write(bytes)?;
                file.keep(&place)
            }
            Place::Stream { .. } => open_stream(path)?.write_all(bytes).map_err(Into::into),
        }
    };
    write().with_context(|| format!("writing {}", path.display()))?;
    let last = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut ledger = ledger();
    let new = || Written { count: 0, first: last.clone(), last: String::new() };
    let written = ledger.written.entry(folder_of(path).to_path_buf()).or_insert_with(new);
    (written.count, written.last) = (written.count + 1, last);
    Ok(())
}

/// Makes sure that [`write()`] can write to `path`, before the work whose result that is. Makes
/// missing folders, and a file that is gone again.
///
/// # Errors
/// As [`write()`].
pub fn probe(path: &Path) -> Result<()> {
    let probe = || -> Result<()> {
        match Place::of(path)? {
            Place::File(place, _) => {
                make(folder_of(&place))?;
                Temporary::new(folder_of(&place), None).map(drop)
            }
            // To open a pipe is to wait for its reader, and to close it is to end what it reads.
            Place::Stream { pipe: true } => Ok(()),
            Place::Stream { pipe: false } => open_stream(path).map(drop),
        }
    };
    probe().with_context(|| format!("{} cannot be written", path.display()))
}

/// Makes sure that files can be written into `folder`, before the work whose results they are.
/// Makes missing folders, and a file that is gone again.
///
/// # Errors
/// If `folder` is no folder, cannot be made or takes no file; names it.
pub fn probe_folder(folder: &Path) -> Result<()> {
    let probe = || -> Result<()> {
        ensure!(!folder.exists() || folder.is_dir(), "it is a file: name a folder");
        make(folder)?;
        Temporary::new(folder, None).map(drop)
    };
    probe().with_context(|| format!("no results can be written into {}", folder.display()))
}

/// Files that this process has written so far, in words, folder by folder; `None` if nothing.
pub fn left() -> Option<String> {
    let ledger = ledger();
    let said = ledger.written.iter().map(|(folder, Written { count, first, last })| {
        let shown = if *count == 1 { first.clone() } else { format!("{count} files, {first} to {last},") };
        format!("{shown} in {}", folder.display())
    });
    let said: Vec<String> = said.collect();
    (!said.is_empty()).then(|| said.join("; "))
}

/// From now on, SIGINT and SIGTERM remove temporary files and say what is left before they end the
/// process.
///
/// # Errors
/// If the system takes no handler.
#[cfg(unix)]
pub fn remove_on_signals() -> Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).context("installing signal handlers")?;
    let handle = move || {
        for signal in signals.forever() {
            if let Some(left) = left() {
                eprintln!("interrupted: whole are {left}");
            }
            // Held to the end: nothing is made any more.
            let ledger = ledger();
            for temporary in &ledger.temporary {
                // The process ends; there is nobody to tell.
                let _ = fs::remove_file(temporary);
            }
            // Ends the process as the signal would have.
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(handle).context("starting the thread that waits for signals")?;
    Ok(())
}

/// There are no such signals.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn remove_on_signals() -> Result<()> {
    Ok(())
}

fn open_stream(path: &Path) -> Result<File> {
    Ok(OpenOptions::new().write(true).open(path)?)
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("folder {}", folder.display()))
}

/// The folder that a file is in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(all(test, unix))]
mod tests;
