//! WAV files of 16 bit: the first channel in, mono out.

use std::path::Path;

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

use super::Error;

/// The first channel, full scale ±1.0, and its rate in Hz.
///
/// # Errors
/// When it cannot be read or is not of 16 bit.
pub fn read(path: &Path) -> Result<(Vec<f32>, u32), Error> {
    let named = |error: hound::Error| format!("{}: {error}", path.display());
    let mut reader = WavReader::open(path).map_err(named)?;
    let spec = reader.spec();
    if (spec.bits_per_sample, spec.sample_format) != (16, SampleFormat::Int) {
        return Err(format!("{}: samples of 16 bit are needed", path.display()).into());
    }
    let samples = reader.samples::<i16>().step_by(usize::from(spec.channels));
    let samples = samples.map(|sample| sample.map(|sample| f32::from(sample) / 32_768.0));
    Ok((samples.collect::<Result<_, _>>().map_err(named)?, spec.sample_rate))
}

/// Writes `samples` at `rate` Hz; what is beyond full scale is cut.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, samples: &[f32], rate: u32) -> Result<(), Error> {
    let named = |error: hound::Error| format!("{}: {error}", path.display());
    let spec = WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut writer = WavWriter::create(path, spec).map_err(named)?;
    for sample in samples {
        writer.write_sample((sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16).map_err(named)?;
    }
    Ok(writer.finalize().map_err(named)?)
}
