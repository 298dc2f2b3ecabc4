//! What a scenario's file says. Its head is a comment:
//!
//! ```text
//! <!-- RFC 3665 §3.8: the number is busy.
//! agent: auto-ring ring-for=200
//! > {"do":"call","target":"sip:bob@{peer}"}
//! < {"event":"ended","cause":"busy"}
//! -->
//! ```
//!
//! - `transports: udp` when not both; `calls: 1000 100` is SIPp's number of calls, in the long and the short run;
//!   `sipp: -lost 10` are more arguments for SIPp; `agent:` are options of the `agent` example without their hyphens.
//! - `>` is said to the agent; `<` is waited for: a line with at least these fields, after the one before;
//!   `!` must not be said until the end; `~ 100` waits so many milliseconds. `{peer}` is SIPp's address.
//! - `* 50 {…}`: as many calls as `calls:` says are made with this command, up to 50 at a time, each ended by us;
//!   with `+`, by SIPp.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// What carries the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp,
}

impl Transport {
    /// As the tool calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

/// Which numbers of calls are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Those of the acceptance.
    Long,
    /// Those that fit into `cargo xtask test`.
    Short,
}

/// One line of our side.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Said to the agent; `{peer}` is still in it.
    Say(String),
    /// Waited for.
    Hear(Value),
    /// Must not be heard.
    Never(Value),
    /// Milliseconds that nothing is done.
    Wait(u64),
    /// Calls that we make with this command.
    Many {
        at_once: usize,
        line: String,
        /// Else SIPp does.
        we_end: bool,
    },
}

/// One file.
#[derive(Clone, Debug)]
pub struct Scenario {
    name: String,
    pub file: PathBuf,
    pub transports: Vec<Transport>,
    calls: (usize, usize),
    pub sipp: Vec<String>,
    pub agent: Vec<String>,
    pub steps: Vec<Step>,
    /// SIPp waits for us, not we for it.
    pub serves: bool,
}

impl Scenario {
    /// `busy::udp`.
    pub fn run_name(&self, transport: Transport) -> String {
        format!("{}::{}", self.name, transport.name())
    }

    /// How many calls SIPp takes part in.
    pub fn calls(&self, load: Load) -> usize {
        match load {
            Load::Long => self.calls.0,
            Load::Short => self.calls.1,
        }
    }

    fn read(name: String, file: PathBuf, text: &str) -> Result<Self> {
        let (_, rest) = text.split_once("<!--").context("no comment at the head")?;
        let (head, rest) = rest.split_once("-->").context("the comment does not end")?;
        let mut scenario = Self {
            name,
            file,
            transports: vec![Transport::Udp, Transport::Tcp],
            calls: (1, 1),
            sipp: Vec::new(),
            agent: Vec::new(),
            steps: Vec::new(),
            serves: first(rest, "<recv") < first(rest, "<send"),
        };
        // The first line is for people.
        for line in head.lines().skip(1).map(str::trim).filter(|line| !line.is_empty()) {
            scenario.line(line).with_context(|| line.to_owned())?;
        }
        Ok(scenario)
    }

    fn line(&mut self, line: &str) -> Result<()> {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        if let Some((key, value)) = line.split_once(' ') {
            match key {
                "transports:" => {
                    self.transports = words(value).iter().map(|word| transport(word)).collect::<Result<_>>()?;
                }
                "calls:" => {
                    let numbers = words(value).iter().map(|word| Ok(word.parse()?)).collect::<Result<Vec<usize>>>()?;
                    let long = *numbers.first().context("how many?")?;
                    self.calls = (long, *numbers.get(1).unwrap_or(&long));
                }
                "sipp:" => self.sipp = words(value),
                "agent:" => self.agent = words(value),
                ">" => self.steps.push(Step::Say(value.to_owned())),
                "<" => self.steps.push(Step::Hear(serde_json::from_str(value)?)),
                "!" => self.steps.push(Step::Never(serde_json::from_str(value)?)),
                "~" => self.steps.push(Step::Wait(value.parse()?)),
                "*" | "+" => {
                    let (number, command) = value.split_once(' ').context("how many at a time, and which command?")?;
                    let (at_once, line, we_end) = (number.parse()?, command.to_owned(), key == "*");
                    self.steps.push(Step::Many { at_once, line, we_end });
                }
                _ => bail!("not understood"),
            }
            return Ok(());
        }
        bail!("not understood")
    }
}

fn first(text: &str, what: &str) -> usize {
    text.find(what).unwrap_or(usize::MAX)
}

fn transport(word: &str) -> Result<Transport> {
    match word {
        "udp" => Ok(Transport::Udp),
        "tcp" => Ok(Transport::Tcp),
        _ => bail!("neither udp nor tcp"),
    }
}

/// All scenarios of a folder, by name.
///
/// # Errors
/// When one cannot be read.
pub fn all(folder: &Path) -> Result<Vec<Scenario>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        files.push(entry?.path());
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "xml"));
    files.sort();
    let read = |file: PathBuf| {
        let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let text = fs::read_to_string(&file)?;
        Scenario::read(name, file.clone(), &text).with_context(|| file.display().to_string())
    };
    files.into_iter().map(read).collect()
}

/// Whether `line` has all that `wanted` has.
pub fn matches(line: &Value, wanted: &Value) -> bool {
    match (line, wanted) {
        (Value::Object(line), Value::Object(wanted)) => {
            wanted.iter().all(|(name, wanted)| line.get(name).is_some_and(|value| matches(value, wanted)))
        }
        _ => line == wanted,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_head_is_our_side() {
        let text = "<scenario>\n<!-- Busy.\n  agent: auto-ring ring-for=200\n  transports: tcp\n  calls: 1000 50\n  \
                    > {\"do\":\"call\"}\n < {\"event\":\"ended\"}\n ! {\"event\":\"error\"}\n ~ 5\n * 50 {\"do\":\"call\"}\n-->\n\
                    <recv request=\"INVITE\"/><send/>";
        let scenario = Scenario::read("busy".into(), "busy.xml".into(), text).unwrap();
        assert_eq!(scenario.agent, ["auto-ring", "ring-for=200"]);
        assert_eq!((scenario.calls(Load::Long), scenario.calls(Load::Short)), (1000, 50));
        assert_eq!(scenario.transports, [Transport::Tcp]);
        assert!(scenario.serves);
        let say = Step::Say("{\"do\":\"call\"}".into());
        let rest = [
            Step::Hear(json!({ "event": "ended" })),
            Step::Never(json!({ "event": "error" })),
            Step::Wait(5),
            Step::Many { at_once: 50, line: "{\"do\":\"call\"}".into(), we_end: true },
        ];
        assert_eq!((&scenario.steps[0], &scenario.steps[1..]), (&say, &rest[..]));
        assert!(Scenario::read("x".into(), "x.xml".into(), "<!-- x\nnonsense\n-->").is_err());
    }

    #[test]
    fn a_line_may_have_more_than_is_wanted() {
        let line = json!({ "event": "done", "live": { "calls": 0, "timers": 1 } });
        assert!(matches(&line, &json!({ "live": { "calls": 0 } })));
        assert!(!matches(&line, &json!({ "live": { "timers": 0 } })));
        assert!(!matches(&line, &json!({ "other": null })));
    }
}
