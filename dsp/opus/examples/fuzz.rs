//! Runs the Opus decoder under random and damaged packets, alone or in a jitter buffer among other streams, to find what
//! breaks it.
//!
//! ```text
//! cargo run --release -p soft-phone-opus --example fuzz -- [--target decoder|jitter] [--cases N] [--first SEED] [--threads N]
//! ```
//!
//! Each case is a seed: the same at all times and on all machines. The first that fails is named, with what went wrong.

use std::process::ExitCode;

use pico_args::Arguments;
use soft_phone_opus::{OpusDecoder, OpusEncoder, Settings};

#[path = "../../tests/support/fuzzing.rs"]
mod fuzzing;
#[path = "../../tests/support/payloads.rs"]
mod payloads;
#[path = "../../tests/support/signals.rs"]
mod signals;
#[path = "../../tests/support/streams.rs"]
mod streams;

/// Packets in a case.
const PACKETS: usize = 150;
/// Cases unless told.
const USUAL: u64 = 10_000;

fn main() -> ExitCode {
    match run() {
        Ok(line) => {
            println!("fuzz: {line}, {PACKETS} packets each");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("fuzz: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String, String> {
    let good = packets().map_err(|error| error.to_string())?;
    let mut arguments = Arguments::from_env();
    let target: Option<String> = arguments.opt_value_from_str("--target").map_err(|error| error.to_string())?;
    match target.as_deref().unwrap_or("decoder") {
        "decoder" => {
            fuzzing::run(arguments, USUAL, |seed| payloads::case_of(&mut OpusDecoder::new(), seed, PACKETS, &good))
        }
        "jitter" => fuzzing::run(arguments, USUAL, |seed| {
            let mut random = signals::Noise(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
            streams::case_with(&mut random, PACKETS, Some((Box::new(OpusDecoder::new()), &good)))
        }),
        other => Err(format!("no target {other}: decoder, jitter")),
    }
}

/// Packets of every mode and of several lengths, of a voice.
fn packets() -> Result<Vec<Vec<u8>>, opus_pure::Error> {
    let voice = signals::voice(48_000, 1.0, -23.0);
    let mut packets = Vec::new();
    for (bitrate, fec_percent, dtx) in [
        (6_000, 0, true),
        (12_000, 20, false),
        (20_000, 20, false),
        (32_000, 10, false),
        (64_000, 0, false),
        (200_000, 0, false),
    ] {
        for length in [120, 480, 960, 1_920, 2_880, 5_760] {
            let mut encoder = OpusEncoder::new(Settings { bitrate, fec_percent, dtx })?;
            for samples in voice.chunks_exact(length).take(12) {
                let mut payload = [0; 1_500];
                let bytes = encoder.encode(samples, &mut payload)?;
                packets.push(payload[..bytes].to_vec());
            }
        }
    }
    Ok(packets)
}
