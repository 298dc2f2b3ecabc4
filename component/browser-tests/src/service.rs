//! Programs that run beside the tests: started, waited for until they are ready, their output kept in a log.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// A program that is ready; it is killed when this is dropped.
pub struct Service {
    name: &'static str,
    log: PathBuf,
    _child: Child,
}

impl Service {
    /// Starts `command` and waits until its output contains `ready`.
    ///
    /// # Errors
    /// When it cannot be started, ends, or is not ready in time; with what it wrote last.
    pub async fn start(name: &'static str, logs: &Path, mut command: Command, ready: &str) -> Result<Self> {
        let log = logs.join(name).with_extension("log");
        let output = File::create(&log).with_context(|| log.display().to_string())?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("{name} cannot be started"))?;
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            if fs::read(&log).is_ok_and(|written| String::from_utf8_lossy(&written).contains(ready)) {
                return Ok(Self { name, log, _child: child });
            }
            if let Some(status) = child.try_wait()? {
                bail!("{name} ended ({status}) before it was ready:\n{}", tail(&log, 25));
            }
            if Instant::now() > end {
                bail!("{name} never said {ready:?}:\n{}", tail(&log, 25));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// All that the program wrote.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn log(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.log)?).into_owned())
    }

    /// What the program wrote last, for a case that failed.
    pub fn report(&self, lines: usize) -> String {
        format!("--- {} ({})\n{}\n", self.name, self.log.display(), tail(&self.log, lines))
    }
}

fn tail(log: &Path, lines: usize) -> String {
    let written = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let all: Vec<&str> = written.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
