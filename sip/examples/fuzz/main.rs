//! Broken input for every part that reads from the network: no panic, no hang, no memory beyond bounds, and what was
//! understood is written and understood again.
//!
//! ```text
//! cargo run --release -p soft-phone-sip --example fuzz -- --cases 10000000 --seed 1 [--target NAME|all] [--only CASE]
//! ```
//!
//! Case `n` of a seed is the same everywhere and at all times; `--only n` runs it alone and prints it.

mod agent;
mod mutate;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mutate::Mutator;
use targets::TARGETS;

/// Longest time for one case. A case that took longer is run again, up to [`TRIES`] times, as the machine may have been
/// elsewhere; the shortest time counts.
const CASE_TIME: Duration = Duration::from_millis(50);
const TRIES: usize = 20;
/// A case that does not end in this time never will.
const HANG: Duration = Duration::from_secs(20);
/// Largest resident set of the whole run, in KiB.
const MEMORY: u64 = 64 * 1024;

struct Options {
    cases: u64,
    seed: u64,
    target: String,
    only: Option<u64>,
}

fn options() -> Result<Options, String> {
    let mut options = Options { cases: 100_000, seed: 1, target: "all".to_owned(), only: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{word} {value}: not a number"));
        match word.as_str() {
            "--cases" => options.cases = number()?,
            "--seed" => options.seed = number()?,
            "--only" => options.only = Some(number()?),
            "--target" => options.target = value,
            _ => return Err(format!("unknown option {word}")),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    match run() {
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

fn run() -> Result<String, String> {
    let options = options()?;
    let targets: Vec<_> =
        TARGETS.iter().filter(|target| options.target == "all" || options.target == target.name).collect();
    if targets.is_empty() {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        return Err(format!("no target {}; there are: all {}", options.target, names.join(" ")));
    }
    let mutator = Mutator::new()?;
    let progress = Arc::new(AtomicU64::new(0));
    watch(Arc::clone(&progress), options.seed);

    let cases = options.only.map_or(0..options.cases, |only| only..only + 1);
    let (mut bytes, mut longest, mut accepted) = (0u64, (Duration::ZERO, 0), 0u64);
    let started = Instant::now();
    let mut input = Vec::new();
    for case in cases {
        progress.store(case, Ordering::Relaxed);
        mutator.make(options.seed, case, &mut input);
        bytes += input.len() as u64;
        if options.only.is_some() {
            println!("{}", String::from_utf8_lossy(&input));
        }
        let target = targets[(case % targets.len() as u64) as usize];
        let mut time = Duration::MAX;
        for attempt in 1..=TRIES {
            let before = Instant::now();
            match catch_unwind(AssertUnwindSafe(|| (target.run)(&input))) {
                Ok(Ok(understood)) => accepted += u64::from(understood && time == Duration::MAX),
                Ok(Err(fault)) => return Err(report(target.name, case, &fault, &input)),
                Err(_) => return Err(report(target.name, case, "panic", &input)),
            }
            time = time.min(before.elapsed());
            // A new longest time is measured three times before it is believed.
            if time <= longest.0 || (time < CASE_TIME && attempt >= 3) {
                break;
            }
        }
        if time >= CASE_TIME {
            return Err(report(target.name, case, &format!("took {time:?}"), &input));
        }
        longest = longest.max((time, case));
    }
    let seconds = started.elapsed().as_secs_f64();
    let peak = peak_memory();
    if peak.is_some_and(|kib| kib > MEMORY) {
        return Err(format!("peak memory {} KiB, more than {MEMORY}", peak.unwrap_or(0)));
    }
    let count = options.only.map_or(options.cases, |_| 1);
    Ok(format!(
        "fuzz {}: {count} cases, seed {}, {accepted} understood, {} MB, {seconds:.1} s, {:.0} cases/s, \
         longest {:.2} ms (case {}), peak memory {}, no panic, no hang",
        options.target,
        options.seed,
        bytes / 1_000_000,
        count as f64 / seconds,
        longest.0.as_secs_f64() * 1_000.0,
        longest.1,
        peak.map_or_else(|| "unknown here".to_owned(), |kib| format!("{:.1} MiB", kib as f64 / 1024.0)),
    ))
}

fn report(target: &str, case: u64, fault: &str, input: &[u8]) -> String {
    let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("target {target}, case {case}: {fault}\n{hex}")
}

/// Ends the process when one case runs for [`HANG`].
fn watch(progress: Arc<AtomicU64>, seed: u64) {
    std::thread::spawn(move || {
        let (mut last, mut since) = (u64::MAX, Instant::now());
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let now = progress.load(Ordering::Relaxed);
            if now != last {
                (last, since) = (now, Instant::now());
            } else if since.elapsed() > HANG {
                eprintln!("fuzz: case {now} of seed {seed} hangs");
                std::process::exit(1);
            }
        }
    });
}

/// Largest resident set so far, in KiB; Linux only.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}
