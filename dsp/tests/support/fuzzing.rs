//! Runs cases by their seeds, on all processors, until one fails: what the fuzz examples share.

use std::panic;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pico_args::Arguments;

/// A call takes less than a tenth of its 10 ms on any machine; a case that takes this long hangs.
const LONGEST: Duration = Duration::from_secs(20);

/// Runs `case` for each of the seeds that the arguments `--cases`, `--first` and `--threads` name, `usual` cases unless
/// told. Gives back a line about them.
///
/// # Errors
/// Arguments that are not understood; the first seed of those run whose case fails, panics or hangs, and why.
pub fn run(
    mut arguments: Arguments,
    usual: u64,
    case: impl Fn(u64) -> Result<(), String> + Sync + panic::RefUnwindSafe,
) -> Result<String, String> {
    let mut number = |key| arguments.opt_value_from_str::<_, u64>(key).map_err(|error| error.to_string());
    let cases = number("--cases")?.unwrap_or(usual);
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
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= cases || fault.lock().is_ok_and(|fault| fault.is_some()) {
                        return;
                    }
                    let (seed, start) = (first + number, Instant::now());
                    match panic::catch_unwind(|| case(seed)) {
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
    let (seconds, longest) = (begun.elapsed().as_secs_f64(), longest.into_inner());
    Ok(format!("{cases} cases from {first}, {seconds:.1} s, longest {longest} ms"))
}

fn available() -> u64 {
    std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64)
}
