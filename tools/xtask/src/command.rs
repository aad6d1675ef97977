//! Starting programs.

use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};

/// The command line as a person would type it.
pub fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Runs a program to its end, its output caught.
///
/// # Errors
/// If it cannot be started.
pub fn output(command: &mut Command) -> Result<Output> {
    command.output().with_context(|| format!("starting {}", line(command)))
}

/// Runs a program that must succeed; returns its standard output.
///
/// # Errors
/// If it cannot be started or fails; then with everything that it printed.
pub fn succeed(command: &mut Command) -> Result<String> {
    let output = output(command)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(output.status.success(), "$ {}\n{}{}{}", line(command), text(&output.stdout), text(&output.stderr), output.status);
    Ok(text(&output.stdout))
}
