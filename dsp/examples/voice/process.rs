//! The processing chain over a microphone's file, with what the loudspeaker played beside it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use pico_args::Arguments;
use soft_phone_dsp::{AudioProcessor, Config, Network};

use crate::Result;
use crate::wav::{read, write};

pub const USAGE: &str = "voice process --mic MIC.wav [--far FAR.wav] --out OUT.wav [--no-aec] [--no-ns] [--no-agc] \
                     [--config CONFIG.json] [--network WEIGHTS.bin] [--stats STATS.json]";

/// Reads the files, runs the chain, writes what comes out.
pub fn run(mut arguments: Arguments) -> Result<()> {
    let mic: PathBuf = arguments.value_from_str("--mic")?;
    let far: Option<PathBuf> = arguments.opt_value_from_str("--far")?;
    let out: PathBuf = arguments.value_from_str("--out")?;
    let stats: Option<PathBuf> = arguments.opt_value_from_str("--stats")?;
    let config: Option<PathBuf> = arguments.opt_value_from_str("--config")?;
    let network: Option<PathBuf> = arguments.opt_value_from_str("--network")?;
    let mut config = match config {
        Some(path) => serde_json::from_slice(&std::fs::read(&path)?)?,
        None => Config::default(),
    };
    if arguments.contains("--no-aec") {
        config.echo = None;
    }
    if arguments.contains("--no-ns") {
        config.noise = None;
    }
    if arguments.contains("--no-agc") {
        config.gain = None;
    }
    let rest = arguments.finish();
    if !rest.is_empty() {
        return Err(format!("not understood: {rest:?}\n{USAGE}").into());
    }

    let (near, rate) = read(&mic)?;
    let far = match far {
        Some(path) => {
            let (far, far_rate) = read(&path)?;
            if far_rate != rate {
                return Err(format!("{} has {far_rate} Hz, {} {rate}", path.display(), mic.display()).into());
            }
            far
        }
        None => Vec::new(),
    };
    let mut processor = match network {
        Some(path) => AudioProcessor::with_network(rate, config, Network::from_bytes(&std::fs::read(&path)?)?)?,
        None => AudioProcessor::new(rate, config)?,
    };
    let frame = processor.frame_len();
    let mut result = Vec::with_capacity(near.len());
    let (mut input, mut played, mut output) = (vec![0.0; frame], vec![0.0; frame], vec![0.0; frame]);
    let mut busy = Duration::ZERO;
    let mut far_frames = far.chunks(frame);
    for chunk in near.chunks(frame) {
        fill(&mut input, chunk);
        fill(&mut played, far_frames.next().unwrap_or_default());
        let start = Instant::now();
        processor.process_render(&played)?;
        processor.process_capture(&input, &mut output)?;
        busy += start.elapsed();
        result.extend_from_slice(&output[..chunk.len()]);
    }
    write(&out, &result, rate)?;
    if let Some(path) = stats {
        let mut figures = serde_json::to_value(processor.stats())?;
        let seconds = near.len() as f64 / f64::from(rate);
        figures["load"] = (busy.as_secs_f64() / seconds.max(1e-9)).into();
        figures["sampleRate"] = rate.into();
        std::fs::write(path, serde_json::to_string_pretty(&figures)?)?;
    }
    Ok(())
}

/// A frame from what is left of a file, silence behind its end.
fn fill(frame: &mut [f32], chunk: &[f32]) {
    frame[..chunk.len()].copy_from_slice(chunk);
    frame[chunk.len()..].fill(0.0);
}
