//! Broken input for every part that reads from the network: no panic, no hang, no memory beyond bounds, and what was
//! understood is written and understood again.
//!
//! ```text
//! cargo run --release -p soft-phone-sip --example fuzz -- \
//!     --cases 10000000 --seed 1 [--threads N] [--target NAME|all] [--only CASE]
//! ```
//!
//! Case `n` of a seed is the same everywhere and at all times; `--target NAME --only n` runs it alone and prints it.

mod agent;
mod bodies;
mod corpus;
mod mutate;
mod report;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mutate::Mutator;
use report::Tally;
use targets::{TARGETS, Target};

/// Longest time for one case. A case that took longer, or longer than any before it, is run again, up to [`TRIES`] times,
/// as the machine may have been elsewhere; the shortest time counts, on the processor where the system tells that.
const CASE_TIME: Duration = Duration::from_millis(50);
const TRIES: usize = 20;
/// A case that does not end in this time never will.
const HANG: Duration = Duration::from_secs(60);
/// Largest resident set of the whole run, in KiB.
const MEMORY: u64 = 64 * 1024;
/// Cases that a thread takes at a time.
const CHUNK: u64 = 1_000;
/// How often a long run says how far it is.
const PROGRESS: Duration = Duration::from_secs(60);

struct Options {
    cases: u64,
    seed: u64,
    threads: usize,
    target: Option<&'static Target>,
    only: Option<u64>,
}

fn options() -> Result<Options, String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut options = Options { cases: 100_000, seed: 1, threads, target: None, only: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{word} {value}: not a number"));
        match word.as_str() {
            "--cases" => options.cases = number()?,
            "--seed" => options.seed = number()?,
            "--threads" => options.threads = number()?.clamp(1, 64) as usize,
            "--only" => options.only = Some(number()?),
            "--target" if value == "all" => options.target = None,
            "--target" => {
                let names = || TARGETS.iter().map(|target| target.name).collect::<Vec<_>>().join(" ");
                let found = TARGETS.iter().find(|target| target.name == value);
                options.target = Some(found.ok_or_else(|| format!("no target {value}; there are: all {}", names()))?);
            }
            _ => return Err(format!("unknown option {word}")),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(fault) => {
            eprintln!("fuzz: {fault}");
            ExitCode::FAILURE
        }
    }
}

/// Where the threads are.
struct Shared<'a> {
    options: &'a Options,
    mutator: Mutator,
    /// The first case that nobody has taken.
    next: AtomicU64,
    /// The case that each thread is at, for who watches.
    at: Arc<[AtomicU64]>,
}

fn run(options: &Options) -> Result<String, String> {
    let mutator = Mutator::new()?;
    if let Some(case) = options.only {
        let target = options.target.unwrap_or_else(|| targets::of_case(case));
        let mut input = Vec::new();
        mutator.make(target.corpus, options.seed, case, &mut input);
        println!("{}", String::from_utf8_lossy(&input));
        let understood = tried(target, &input, case)?;
        return Ok(format!("fuzz {}: case {case}, seed {}, understood: {understood}", target.name, options.seed));
    }
    let at: Arc<[AtomicU64]> = (0..options.threads).map(|_| AtomicU64::new(0)).collect();
    watch(Arc::clone(&at), options.seed, options.cases);
    let shared = Shared { options, mutator, next: AtomicU64::new(0), at };
    let started = Instant::now();
    let mut tally = Tally::default();
    std::thread::scope(|scope| -> Result<(), String> {
        let shared = &shared;
        let threads: Vec<_> = (0..options.threads).map(|thread| scope.spawn(move || work(shared, thread))).collect();
        for thread in threads {
            tally.add(thread.join().map_err(|_| "a thread is lost".to_owned())??);
        }
        Ok(())
    })?;
    let peak = report::peak_memory();
    if peak.is_some_and(|kib| kib > MEMORY) {
        return Err(format!("peak memory {} KiB, more than {MEMORY}", peak.unwrap_or(0)));
    }
    Ok(tally.line(options.seed, options.threads, started.elapsed(), peak))
}

/// Takes cases until there are no more, or one fails.
fn work(shared: &Shared, thread: usize) -> Result<Tally, String> {
    let options = shared.options;
    let mut tally = Tally::default();
    let mut input = Vec::new();
    loop {
        let first = shared.next.fetch_add(CHUNK, Ordering::Relaxed);
        if first >= options.cases {
            shared.at[thread].store(u64::MAX, Ordering::Relaxed);
            return Ok(tally);
        }
        for case in first..(first + CHUNK).min(options.cases) {
            shared.at[thread].store(case, Ordering::Relaxed);
            let target = options.target.unwrap_or_else(|| targets::of_case(case));
            shared.mutator.make(target.corpus, options.seed, case, &mut input);
            let outcome = measured(target, &input, case, tally.longest());
            let (understood, time) = outcome.inspect_err(|_| {
                // The others need not go on.
                shared.next.store(options.cases, Ordering::Relaxed);
            })?;
            tally.count(target.name, case, input.len(), understood, time);
        }
    }
}

/// Runs a case; whether it was understood, and the time that it takes, if that is longer than any before.
fn measured(target: &Target, input: &[u8], case: u64, longest: Duration) -> Result<(bool, Duration), String> {
    let (mut understood, mut time) = (false, Duration::MAX);
    for attempt in 1..=TRIES {
        // Asking for the processor's time takes longer than most cases do.
        let (before, busy) = (Instant::now(), if attempt > 1 { report::on_processor() } else { None });
        understood = tried(target, input, case)?;
        let took = busy.and_then(|busy| report::on_processor()?.checked_sub(busy));
        time = time.min(took.unwrap_or_else(|| before.elapsed()));
        if time <= longest || (time < CASE_TIME && attempt >= 3) {
            break;
        }
    }
    if time >= CASE_TIME {
        return Err(report::fault(target.name, case, &format!("took {time:?}"), input));
    }
    Ok((understood, time))
}

fn tried(target: &Target, input: &[u8], case: u64) -> Result<bool, String> {
    match catch_unwind(AssertUnwindSafe(|| (target.run)(input, case))) {
        Ok(outcome) => outcome.map_err(|fault| report::fault(target.name, case, &fault, input)),
        Err(_) => Err(report::fault(target.name, case, "panic", input)),
    }
}

/// Ends the process when one case runs for [`HANG`], and says now and then how far the run is.
fn watch(at: Arc<[AtomicU64]>, seed: u64, cases: u64) {
    std::thread::spawn(move || {
        let mut since = vec![(u64::MAX, Instant::now()); at.len()];
        let mut said = Instant::now();
        loop {
            std::thread::sleep(Duration::from_secs(1));
            for (thread, known) in at.iter().zip(&mut since) {
                let case = thread.load(Ordering::Relaxed);
                if case != known.0 {
                    *known = (case, Instant::now());
                } else if case != u64::MAX && known.1.elapsed() > HANG {
                    eprintln!("fuzz: case {case} of seed {seed} hangs");
                    std::process::exit(1);
                }
            }
            if said.elapsed() > PROGRESS {
                said = Instant::now();
                let first = since.iter().map(|(case, _)| *case).min().unwrap_or(0);
                eprintln!("fuzz: at case {first} of {cases}, seed {seed}");
            }
        }
    });
}
