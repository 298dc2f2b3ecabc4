//! Running other programs: what is run is printed, and what fails says which command it was.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The cargo that runs this program, with the flags of the caller's environment taken away where they would
/// change what is built.
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Prints the command, runs it with this program's terminal and waits.
///
/// # Errors
/// When it cannot be started or does not end with success.
pub fn run(command: &mut Command) -> Result<()> {
    let line = line(command);
    eprintln!("$ {line}");
    let status = command.status().with_context(|| format!("cannot start: {line}"))?;
    if status.success() { Ok(()) } else { bail!("{status}: {line}") }
}

/// Runs the command quietly and returns what it wrote to its standard output.
///
/// # Errors
/// As [`run`]; the message then carries the end of what it complained about.
pub fn output(command: &mut Command) -> Result<String> {
    let line = line(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start: {line}"))?;
    if !output.status.success() {
        bail!("{}: {line}\n{}", output.status, String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a program of this name can be started.
pub fn exists(program: impl AsRef<OsStr>) -> bool {
    let started = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    !matches!(started, Err(error) if error.kind() == ErrorKind::NotFound)
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
