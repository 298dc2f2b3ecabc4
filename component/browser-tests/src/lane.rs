//! Lanes: each is a process in namespaces of its own, with a rig of its own, that runs one case after another.
//!
//! Most cases wait for servers, browsers and timers: two of them at a time take no longer than one. Which ones may run beside
//! each other says [`Machine`].

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write, stdin};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
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

/// How nice the processes of the lane [`BEHIND`] are: they have a third of what others have who want the same core.
const NICE: u8 = 5;

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

/// Two workers that run cases in lanes of theirs, and the cases that wait for one.
pub struct Lanes {
    waiting: Arc<Waiting>,
    workers: Vec<JoinHandle<()>>,
}

/// The cases that wait for a worker.
#[derive(Default)]
struct Waiting {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    requests: Vec<Request>,
    /// What each worker runs.
    running: [Option<Machine>; 2],
    /// No more will come.
    closed: bool,
}

/// A case, and who waits for its end.
struct Request {
    case: Case,
    ended: mpsc::Sender<(Outcome, Duration)>,
}

/// One of the two: which cases it takes, the first of them before the others, and the lane of each.
struct Worker {
    place: usize,
    takes: &'static [(Machine, usize)],
    lanes: HashMap<usize, Lane>,
}

/// The lane of the second worker whose processes stand behind all others, see [`Lane::start`].
const BEHIND: usize = 2;
const FIRST_WORKER: &[(Machine, usize)] =
    &[(Machine::First, 1), (Machine::Shared, 1), (Machine::Quiet, 1), (Machine::Alone, 1)];
const SECOND_WORKER: &[(Machine, usize)] = &[(Machine::Quiet, BEHIND), (Machine::Shared, 3)];

impl Lanes {
    /// Starts them.
    ///
    /// # Errors
    /// When namespaces or rig cannot be set up.
    pub fn start() -> Result<Self> {
        let waiting = Arc::new(Waiting::default());
        // At once and in this thread: it shows what the machine does not allow. The others start with their first case.
        let first = HashMap::from([(1, Lane::start(1)?)]);
        let workers = [(FIRST_WORKER, first), (SECOND_WORKER, HashMap::new())].into_iter().enumerate();
        let workers = workers.map(|(place, (takes, lanes))| {
            let waiting = Arc::clone(&waiting);
            std::thread::spawn(move || waiting.work(Worker { place, takes, lanes }))
        });
        Ok(Self { workers: workers.collect(), waiting })
    }

    /// Runs a case, as soon as it may; how it ended, and what it took from then on.
    pub fn run(&self, case: Case) -> (Outcome, Duration) {
        let (ended, end) = mpsc::channel();
        self.waiting.queue().requests.push(Request { case, ended });
        self.waiting.changed.notify_all();
        end.recv().unwrap_or_else(|_| (failed("the lanes have ended"), Duration::ZERO))
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.waiting.queue().closed = true;
        self.waiting.changed.notify_all();
        for worker in self.workers.drain(..) {
            // One that has panicked has told so.
            let _ended = worker.join();
        }
    }
}

impl Waiting {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs cases until no more will come.
    fn work(&self, mut worker: Worker) {
        while let Some((Request { case, ended }, number)) = self.next(&worker) {
            let start = Instant::now();
            let lane = worker.lanes.remove(&number).map_or_else(|| Lane::start(number), Ok);
            let outcome = lane.and_then(|mut lane| {
                let outcome = lane.run(&case)?;
                worker.lanes.insert(number, lane);
                Ok(outcome)
            });
            // A lane that is broken ends here, and the next case has a new one.
            let outcome = outcome.unwrap_or_else(|error| failed(&format!("{error:#}")));
            // Nobody waits any more only when this process ends.
            let _told = ended.send((outcome, start.elapsed()));
            self.queue().running[worker.place] = None;
            self.changed.notify_all();
        }
    }

    /// Waits for the next case of a worker, and says which lane it belongs into.
    fn next(&self, worker: &Worker) -> Option<(Request, usize)> {
        let mut queue = self.queue();
        loop {
            if let Some((place, number)) = queue.choose(worker.place, worker.takes) {
                let request = queue.requests.remove(place);
                queue.running[worker.place] = Some(request.case.machine);
                return Some((request, number));
            }
            if queue.closed {
                return None;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Queue {
    /// Which request a worker may run beside what the other one does, and in which lane.
    fn choose(&self, worker: usize, takes: &[(Machine, usize)]) -> Option<(usize, usize)> {
        let waits = |machine| self.requests.iter().position(|request| request.case.machine == machine);
        let other = self.running[1 - worker];
        takes.iter().find_map(|(machine, lane)| {
            let place = waits(*machine)?;
            // What would keep those waiting that come first, comes behind them.
            let behind = *machine == Machine::Shared && waits(Machine::First).is_some();
            (!behind && other.is_none_or(|other| machine.beside(other))).then_some((place, *lane))
        })
    }
}

fn failed(reason: &str) -> Outcome {
    Err(Failure { reason: reason.to_owned(), report: String::new() })
}

/// A lane, as the process sees it that has started it.
struct Lane {
    process: Child,
    told: BufReader<ChildStdout>,
}

impl Lane {
    fn start(number: usize) -> Result<Self> {
        let mut command = namespace::inside(if number == BEHIND { NICE } else { 0 })?;
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
            _ => printed += &format!("{line}\n"),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What each worker takes when these wait and the other one does that: the place in the queue, and the lane.
    fn chosen(waiting: &[Machine], worker: usize, other: Option<Machine>) -> Option<(usize, usize)> {
        let requests = waiting.iter().map(|machine| Request {
            case: Case { name: "case", machine: *machine, run: |_| Box::pin(async { Ok(()) }) },
            ended: mpsc::channel().0,
        });
        let mut queue = Queue { requests: requests.collect(), ..Queue::default() };
        queue.running[1 - worker] = other;
        queue.choose(worker, [FIRST_WORKER, SECOND_WORKER][worker])
    }

    #[test]
    fn what_comes_first_runs_beside_quiet_cases_only() {
        use Machine::{Alone, First, Quiet, Shared};
        let all = [Alone, Shared, Quiet, First];
        assert_eq!(chosen(&all, 0, None), Some((3, 1)));
        assert_eq!(chosen(&all, 1, Some(First)), Some((2, BEHIND)));
        assert_eq!(chosen(&[Alone, Shared], 1, Some(First)), None);
        assert_eq!(chosen(&[Shared, First], 1, None), None, "it would keep waiting what comes first");
        assert_eq!(chosen(&[Shared], 1, Some(Shared)), Some((0, 3)));
        assert_eq!(chosen(&[First, Quiet], 0, Some(Shared)), Some((1, 1)));
    }

    #[test]
    fn what_needs_the_machine_waits_until_nothing_else_runs() {
        use Machine::{Alone, Quiet};
        assert_eq!(chosen(&[Alone], 0, Some(Quiet)), None);
        assert_eq!(chosen(&[Quiet], 1, Some(Alone)), None);
        assert_eq!(chosen(&[Alone, Quiet], 0, None), Some((1, 1)), "behind all others");
        assert_eq!(chosen(&[Alone], 0, None), Some((0, 1)));
        assert_eq!(chosen(&[Alone], 1, None), None);
    }
}
