//! Running other programs: what is run is printed, and what fails says which command it was.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::os::unix::fs::MetadataExt;
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

/// What a line begins with that tells once more, in a few words, why a test has failed.
const REASON: &str = "reason: ";

/// As [`run`], and returns the closing lines of the test suites that the command printed, and the [`REASON`]s.
///
/// # Errors
/// As [`run`]; the lines are then in `results` all the same.
pub fn run_tests(command: &mut Command, results: &mut Vec<String>) -> Result<()> {
    let line = line(command);
    eprintln!("$ {line}");
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start: {line}"))?;
    let output = child.stdout.take().context("the child has an output")?;
    for printed in BufReader::new(output).lines() {
        let printed = printed?;
        println!("{printed}");
        if printed.starts_with("test result:") || printed.starts_with(REASON) {
            results.push(printed);
        }
    }
    let status = child.wait()?;
    if status.success() { Ok(()) } else { bail!("{status}: {line}") }
}

/// Whether this program runs as root.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// A command that may change its root folder: run as it is by root, else as root of a user namespace of its own.
pub fn as_root(program: &str) -> Command {
    if is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", program]);
    command
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
