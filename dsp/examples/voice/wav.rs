//! WAV files of 16 bit.

use std::path::Path;

use crate::Result;

/// The first channel of a WAV file, full scale ±1.0, and its rate in Hz.
pub fn read(path: &Path) -> Result<(Vec<f32>, u32)> {
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

/// Writes one channel, full scale ±1.0; what is beyond is cut.
pub fn write(path: &Path, samples: &[f32], rate: u32) -> Result<()> {
    let spec =
        hound::WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(path, spec).map_err(|error| format!("{}: {error}", path.display()))?;
    for sample in samples {
        writer.write_sample((sample * 32_767.0).round().clamp(-32_768.0, 32_767.0) as i16)?;
    }
    Ok(writer.finalize()?)
}
