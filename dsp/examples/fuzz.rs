//! Runs the voice engine under random configurations, calls and frames, the decoders under random payloads, and the jitter
//! buffer under streams that are random or nearly good, to find what breaks them.
//!
//! ```text
//! cargo run --release -p soft-phone-dsp --example fuzz -- [--target engine|codecs|jitter] [--cases N] [--first SEED] [--threads N]
//! ```
//!
//! Each case is a seed: the same at all times and on all machines. The first that fails is named, with what went wrong.

use std::process::ExitCode;

use pico_args::Arguments;

#[path = "../tests/support/fuzzing.rs"]
mod fuzzing;
#[path = "../tests/support/hostile.rs"]
mod hostile;
#[path = "../tests/support/payloads.rs"]
mod payloads;
#[path = "../tests/support/signals.rs"]
mod signals;
#[path = "../tests/support/streams.rs"]
mod streams;

/// Calls, payloads, or rounds of packets and pulls, in a case.
const STEPS: usize = 150;
/// Cases unless told.
const USUAL: u64 = 10_000;

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
    let target: Option<String> = arguments.opt_value_from_str("--target").map_err(|error| error.to_string())?;
    let line = match target.as_deref().unwrap_or("engine") {
        "engine" => fuzzing::run(arguments, USUAL, |seed| hostile::case(seed, STEPS, cfg!(feature = "network")))?,
        "codecs" => fuzzing::run(arguments, USUAL, |seed| payloads::case(seed, STEPS))?,
        "jitter" => fuzzing::run(arguments, USUAL, |seed| streams::case(seed, STEPS))?,
        other => return Err(format!("no target {other}: engine, codecs, jitter")),
    };
    Ok(format!("fuzz: {line}, {STEPS} steps each"))
}
