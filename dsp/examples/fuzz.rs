//! Runs the voice engine under random configurations, calls and frames, to find what breaks it.
//!
//! ```text
//! cargo run --release -p soft-phone-dsp --example fuzz -- [--cases N] [--first SEED] [--threads N]
//! ```
//!
//! Each case is a seed: the same at all times and on all machines. The first that fails is named, with what went wrong.

use std::panic;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pico_args::Arguments;

#[path = "../tests/support/hostile.rs"]
mod hostile;
#[path = "../tests/support/signals.rs"]
mod signals;

/// Calls in a case.
const STEPS: usize = 150;
/// A call takes less than a tenth of its 10 ms on any machine; a case that takes this long hangs.
const LONGEST: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    match run(Arguments::from_env()) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("fuzz: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: Arguments) -> Result<String, String> {
    let mut number = |key| arguments.opt_value_from_str::<_, u64>(key).map_err(|error| error.to_string());
    let cases = number("--cases")?.unwrap_or(10_000);
    let first = number("--first")?.unwrap_or(1);
    let threads = number("--threads")?.map_or_else(available, |threads| threads.clamp(1, 64));
    let rest = arguments.finish();
    if !rest.is_empty() {
        return Err(format!("not understood: {rest:?}"));
    }
    let begun = Instant::now();
    let (next, longest, fault) = (AtomicU64::new(0), AtomicU64::new(0), Mutex::new(None::<(u64, String)>));
    let failed = |seed: u64, error: String| {
        if let Ok(mut fault) = fault.lock()
            && fault.as_ref().is_none_or(|(first, _)| seed < *first)
        {
            *fault = Some((seed, error));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let case = next.fetch_add(1, Ordering::Relaxed);
                    if case >= cases || fault.lock().is_ok_and(|fault| fault.is_some()) {
                        return;
                    }
                    let (seed, start) = (first + case, Instant::now());
                    match panic::catch_unwind(|| hostile::case(seed, STEPS, cfg!(feature = "network"))) {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => failed(seed, error),
                        Err(_) => failed(seed, "a panic".into()),
                    }
                    let took = start.elapsed();
                    longest.fetch_max(took.as_millis() as u64, Ordering::Relaxed);
                    if took > LONGEST {
                        failed(seed, format!("{took:?}"));
                    }
                }
            });
        }
    });
    if let Some((seed, error)) = fault.into_inner().map_err(|error| error.to_string())? {
        return Err(format!("case {seed}: {error}"));
    }
    Ok(format!(
        "fuzz: {cases} cases of {STEPS} calls from {first}, {:.1} s, longest {} ms",
        begun.elapsed().as_secs_f64(),
        longest.into_inner()
    ))
}

fn available() -> u64 {
    std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64)
}
