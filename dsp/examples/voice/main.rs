//! Voice processing and reception over files, to hear and to measure them.
//!
//! ```text
//! cargo run -q --release -p soft-phone-dsp --example voice -- process --mic mic.wav [--far far.wav] --out out.wav
//!     [--no-aec] [--no-ns] [--no-agc] [--config config.json] [--network weights.bin] [--stats stats.json]
//! cargo run -q --release -p soft-phone-dsp --example voice -- receive --audio speech.wav --codec opus|g722|pcma|pcmu|l16
//!     --trace trace.json --out out.wav [--config config.json] [--stats stats.json]
//! ```
//!
//! WAV files of 16 bit. `process`: all at the same rate; the output has that rate and the microphone's length, and is
//! later than the input by `latencySamples` of the statistics. `receive`: see its file.

mod process;
mod receive;
mod resample;
mod wav;

use std::process::ExitCode;

use pico_args::Arguments;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_env();
    let outcome = match arguments.subcommand() {
        Ok(Some(command)) if command == "process" => process::run(arguments),
        Ok(Some(command)) if command == "receive" => receive::run(arguments),
        _ => Err(format!("{}\n{}", process::USAGE, receive::USAGE).into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("voice: {error}");
            ExitCode::FAILURE
        }
    }
}
