//! Lanes: each is a process in namespaces of its own, with a rig of its own, that runs one case after another.
//!
//! Most cases wait for servers, browsers and timers: two of them at a time take no longer than one. Those that measure have
//! the machine for themselves, see [`Machine`].

use std::io::{BufRead, BufReader, Read, Write, stdin};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::cases::{self, Case, Machine};
use crate::namespace;
use crate::rig::Rig;

/// Set for the process of a lane: its number.
const NUMBER: &str = "SOFT_PHONE_TESTS_LANE";

/// What a line of a lane begins with that says how a case has ended; every other one is the case's own.
const OUTCOME: &str = "outcome: ";

/// How a case has ended.
pub type Outcome = Result<(), Failure>;

/// Why a case has failed.
#[derive(Serialize, Deserialize)]
pub struct Failure {
    /// In a few words.
    pub reason: String,
    /// What pages and servers know of it: hundreds of lines.
    pub report: String,
}

/// Which lane this process is; none, if it is the one that has started them.
pub fn number() -> Option<usize> {
    std::env::var(NUMBER).ok()?.parse().ok()
}

/// All lanes; each is started when a case finds none that is idle.
pub struct Lanes {
    /// Shared by the cases that run, or one's alone.
    machine: RwLock<()>,
    idle: Mutex<Vec<Lane>>,
    started: AtomicUsize,
}

impl Lanes {
    /// Starts the first one: it shows what the machine does not allow.
    ///
    /// # Errors
    /// When namespaces or rig cannot be set up.
    pub fn start() -> Result<Self> {
        Ok(Self { machine: RwLock::default(), idle: Mutex::new(vec![Lane::start(1)?]), started: AtomicUsize::new(1) })
    }

    /// Runs a case, as soon as it may, in a lane that is idle or a new one; how it ended, and what it took from then on.
    pub fn run(&self, case: &Case) -> (Outcome, Duration) {
        let _shared;
        let _alone;
        match case.machine {
            Machine::Shared => _shared = self.machine.read().unwrap_or_else(PoisonError::into_inner),
            Machine::Alone => _alone = self.machine.write().unwrap_or_else(PoisonError::into_inner),
        }
        let start = Instant::now();
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = idle().pop();
        let lane = lane.map_or_else(|| Lane::start(self.started.fetch_add(1, Ordering::Relaxed) + 1), Ok);
        let outcome = lane.and_then(|mut lane| {
            let outcome = lane.run(case)?;
            idle().push(lane);
            Ok(outcome)
        });
        // A lane that is broken ends here, and the next case has a new one.
        let failed = |error| Err(Failure { reason: format!("{error:#}"), report: String::new() });
        (outcome.unwrap_or_else(failed), start.elapsed())
    }
}

/// A lane, as the process sees it that has started it.
struct Lane {
    process: Child,
    told: BufReader<ChildStdout>,
}

impl Lane {
    fn start(number: usize) -> Result<Self> {
        let mut command = namespace::inside()?;
        command.env(NUMBER, number.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().context("unshare (of util-linux) cannot be started")?;
        let told = BufReader::new(process.stdout.take().context("the child has an output")?);
        let mut lane = Self { process, told };
        match lane.outcome(|line| println!("{line}"))? {
            Ok(()) => Ok(lane),
            Err(failure) => bail!("lane {number}: {}", failure.reason),
        }
    }

    /// Runs a case. What it prints comes at once, or in one piece where another one prints meanwhile.
    fn run(&mut self, case: &Case) -> Result<Outcome> {
        let names = self.process.stdin.as_mut().context("the child has an input")?;
        writeln!(names, "{}", case.name).context("the lane has ended")?;
        let mut printed = String::new();
        let outcome = self.outcome(|line| match case.machine {
            Machine::Alone => println!("{line}"),
            Machine::Shared => printed += &format!("{line}\n"),
        });
        print!("{printed}");
        outcome
    }

    /// Waits until a case has ended.
    fn outcome(&mut self, mut print: impl FnMut(&str)) -> Result<Outcome> {
        for line in self.told.by_ref().lines() {
            let line = line?;
            match line.strip_prefix(OUTCOME) {
                Some(outcome) => return Ok(serde_json::from_str(outcome)?),
                None => print(&line),
            }
        }
        bail!("the lane has ended")
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        // It ends as nothing can come in any more; nothing of it is left for the next run to meet.
        let _ended = self.process.wait();
    }
}

/// The life of a lane: runs the cases whose names come in, until no more can come.
///
/// # Errors
/// When there is no such case.
pub fn serve(number: usize) -> Result<()> {
    let (sender, names) = mpsc::channel();
    std::thread::spawn(move || {
        for name in stdin().lines().map_while(Result::ok) {
            // Nobody takes it only when this process ends.
            let _sent = sender.send(name);
        }
        // Also in the middle of a case: nobody is there any more who waits for it. With this process, the first of its PID
        // namespace, all that it has started ends.
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let rig =
        namespace::prepare().context("the tests' own network").and_then(|()| runtime.block_on(Rig::start(number)));
    let rig = match rig {
        Ok(rig) => rig,
        Err(error) => return tell(&Err(Failure { reason: format!("{error:#}"), report: String::new() })),
    };
    tell(&Ok(()))?;
    let cases = cases::all();
    for name in names {
        let case = cases.iter().find(|case| case.name == name).with_context(|| format!("no case {name}"))?;
        tell(&runtime.block_on(run(case, &rig)))?;
    }
    Ok(())
}

fn tell(outcome: &Outcome) -> Result<()> {
    println!("{OUTCOME}{}", serde_json::to_string(outcome)?);
    Ok(())
}

/// A case, bounded in time, its browsers closed whatever happens.
async fn run(case: &Case, rig: &Rig) -> Outcome {
    let limit = cases::limit();
    let outcome = match tokio::time::timeout(limit, (case.run)(rig)).await {
        Ok(Ok(())) => rig.check_pages().await,
        Ok(failed) => failed,
        Err(_) => Err(anyhow::anyhow!("not done within {} s", limit.as_secs())),
    };
    let outcome = match outcome {
        Ok(()) => Ok(()),
        Err(error) => Err(Failure { reason: format!("{error:#}"), report: rig.report(case.name).await }),
    };
    rig.close_browsers().await;
    outcome
}
