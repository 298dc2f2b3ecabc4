//! Voice processing over files, to hear and to measure it.
//!
//! ```text
//! cargo run -q --release -p soft-phone-dsp --example voice -- process --mic mic.wav [--far far.wav] --out out.wav
//!     [--no-aec] [--no-ns] [--no-agc] [--config config.json] [--network weights.bin] [--stats stats.json]
//! ```
//!
//! WAV files of 16 bit at the same rate; the output has that rate and the microphone's length, and is later than the
//! input by `latencySamples` of the statistics.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use pico_args::Arguments;
use soft_phone_dsp::{AudioProcessor, Config, Network};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const USAGE: &str = "voice process --mic MIC.wav [--far FAR.wav] --out OUT.wav [--no-aec] [--no-ns] [--no-agc] \
                     [--config CONFIG.json] [--network WEIGHTS.bin] [--stats STATS.json]";

fn main() -> ExitCode {
    let mut arguments = Arguments::from_env();
    let outcome = match arguments.subcommand() {
        Ok(Some(command)) if command == "process" => process(arguments),
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("voice: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the chain over a microphone's file, with what the loudspeaker played beside it.
fn process(mut arguments: Arguments) -> Result<()> {
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

/// The first channel of a WAV file, full scale ±1.0, and its rate in Hz.
fn read(path: &Path) -> Result<(Vec<f32>, u32)> {
    let named = |error: hound::Error| format!("{}: {error}", path.display());
    let mut reader = hound::WavReader::open(path).map_err(named)?;
    let spec = reader.spec();
    if (spec.bits_per_sample, spec.sample_format) != (16, hound::SampleFormat::Int) {
        return Err(format!("{}: 16-bit samples are needed", path.display()).into());
    }
    let samples = reader.samples::<i16>().step_by(usize::from(spec.channels));
    let samples = samples.map(|sample| sample.map(|sample| f32::from(sample) / 32_768.0));
    Ok((samples.collect::<std::result::Result<_, _>>().map_err(named)?, spec.sample_rate))
}

fn write(path: &Path, samples: &[f32], rate: u32) -> Result<()> {
    let spec =
        hound::WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(path, spec).map_err(|error| format!("{}: {error}", path.display()))?;
    for sample in samples {
        writer.write_sample((sample * 32_767.0).round().clamp(-32_768.0, 32_767.0) as i16)?;
    }
    Ok(writer.finalize()?)
}
