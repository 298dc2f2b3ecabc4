//! What the linear canceller makes of scenes, for the training of the network.
//!
//! ```text
//! cargo run --release -p soft-phone-dsp --example stems < scenes.txt
//! ```
//!
//! Each line of the input names two files: samples of microphone and far end by turns (f32, little-endian, 16 kHz), and the
//! file to write, which has four samples by turns: what the canceller leaves, the echo that it took out, the far end as late
//! as its echo (silence while the engine suspects no echo), and 1 where that delay is known. Residual suppression and all
//! other stages are off.

use std::io::BufRead as _;
use std::process::ExitCode;

use soft_phone_dsp::{AudioProcessor, Config, EchoCancellation};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const RATE: u32 = 16_000;

fn main() -> ExitCode {
    for line in std::io::stdin().lock().lines() {
        let outcome = line.map_err(Into::into).and_then(|line| match line.split_once(char::is_whitespace) {
            Some((from, to)) => scene(from, to.trim()),
            None => Err("a line names two files".into()),
        });
        if let Err(error) = outcome {
            eprintln!("stems: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn scene(from: &str, to: &str) -> Result<()> {
    let bytes = std::fs::read(from).map_err(|error| format!("{from}: {error}"))?;
    let samples: Vec<f32> = bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
    let near: Vec<f32> = samples.iter().step_by(2).copied().collect();
    let far: Vec<f32> = samples.iter().skip(1).step_by(2).copied().collect();

    let linear = EchoCancellation { suppress: false, ..EchoCancellation::default() };
    let mut processor = AudioProcessor::new(RATE, Config { echo: Some(linear), ..Config::OFF })?;
    let frame = processor.frame_len();
    let mut error = vec![0.0; frame];
    let mut out = Vec::with_capacity(near.len() * 16);
    for (t, (near, played)) in near.chunks_exact(frame).zip(far.chunks_exact(frame)).enumerate() {
        processor.process_render(played)?;
        processor.process_capture(near, &mut error)?;
        let delay = processor.stats().delay_ms;
        // The canceller looks at the frame before the echo's, and at none that is still to come.
        let lag = ((delay.unwrap_or(0.0) / 10.0) as usize).max(1);
        // Where nothing was taken out, nothing is suspected: then the suppressor is told of no far end either.
        let taken = near.iter().zip(&error).any(|(near, error)| near != error);
        let begin = t.checked_sub(lag).filter(|_| taken).map(|t| t * frame);
        for k in 0..frame {
            let far = begin.and_then(|begin| far.get(begin + k)).copied().unwrap_or(0.0);
            let known = if delay.is_some() { 1.0 } else { 0.0 };
            for value in [error[k], near[k] - error[k], far, known] {
                out.extend_from_slice(&value.to_le_bytes());
            }
        }
    }
    Ok(std::fs::write(to, out).map_err(|error| format!("{to}: {error}"))?)
}
