//! The `agent` example as a child: lines in, lines out.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::scenario::matches;

/// A running agent. It is killed when this is dropped.
pub struct Agent {
    child: Child,
    commands: ChildStdin,
    lines: Receiver<Value>,
    /// Everything that it has said.
    pub said: Vec<Value>,
}

impl Agent {
    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(mut command: Command) -> Result<Self> {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot start the agent")?;
        let commands = child.stdin.take().context("the agent has an input")?;
        let output = child.stdout.take().context("the agent has an output")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or_else(|_| json!({ "event": "garbage", "text": line }));
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, commands, lines, said: Vec::new() })
    }

    /// Says a command.
    ///
    /// # Errors
    /// When the agent is gone.
    pub fn say(&mut self, line: &str) -> Result<()> {
        writeln!(self.commands, "{line}").with_context(|| format!("the agent is gone, at {line}"))
    }

    /// The next line, or `None` at the deadline.
    ///
    /// # Errors
    /// When the agent is gone.
    pub fn next(&mut self, deadline: Instant) -> Result<Option<Value>> {
        match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                self.said.push(line.clone());
                Ok(Some(line))
            }
            Err(mpsc::RecvTimeoutError::Timeout) => Ok(None),
            Err(mpsc::RecvTimeoutError::Disconnected) => bail!("the agent has ended"),
        }
    }

    /// Waits for a line with these fields; what comes before it is passed over.
    ///
    /// # Errors
    /// When it does not come in time.
    pub fn hear(&mut self, wanted: &Value, deadline: Instant) -> Result<Value> {
        while let Some(line) = self.next(deadline)? {
            if matches(&line, wanted) {
                return Ok(line);
            }
        }
        bail!("the agent did not say {wanted}")
    }

    /// Waits until nothing lives in it, then ends it.
    ///
    /// # Errors
    /// When something is left: a transaction, a call, a timer.
    pub fn finish(&mut self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        let nothing = json!({ "transactions": 0, "calls": 0, "timers": 0, "other": 0 });
        let mut patient = true;
        loop {
            self.say(r#"{"do":"status","id":"runner"}"#)?;
            let status = self.hear(&json!({ "do": "status", "id": "runner" }), deadline)?;
            if status["live"] == nothing {
                if status["malformed"] != json!(0) || status["dropped"] != json!(0) {
                    bail!("not everything was understood: {status}");
                }
                break;
            }
            if !patient {
                bail!("left over: {status}");
            }
            // After the deadline one last look.
            patient = self.hear(&json!({ "event": "idle" }), deadline - Duration::from_secs(1)).is_ok();
        }
        self.say(r#"{"do":"quit"}"#)?;
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { bail!("the agent ends with {status}") }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It has ended by itself, unless something failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
