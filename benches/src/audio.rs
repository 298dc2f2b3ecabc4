//! How like what was heard is to what was said.
//!
//! A jitter buffer stretches and shrinks time, so one correlation over a whole recording fails on a loaded machine.
//! Each 400 ms of what was said is looked for near the place where it should be.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use realfft::RealFftPlanner;

/// The rate of all recordings and references, in Hz.
pub const RATE: u32 = 48_000;
/// The comparison is made at 8 kHz: what a telephone carries is below 4 kHz.
const FACTOR: usize = 6;
const LOW_RATE: usize = RATE as usize / FACTOR;
/// 400 ms of comparison samples.
const WINDOW: usize = LOW_RATE * 4 / 10;
/// How far from its place a window is looked for: 600 ms.
const SPREAD: usize = LOW_RATE * 6 / 10;
/// 10 ms of comparison samples: the step of the envelope.
const STEP: usize = LOW_RATE / 100;
/// A window is found when a stretch is at least this like it. Other speech reaches 0.4.
const FOUND: f32 = 0.5;

/// The outcome of [`compare`].
#[derive(Clone, Copy, Debug)]
pub struct Likeness {
    /// Share of the windows that were found: 0.9 to 1 for the right speech, about 0 for another.
    pub found: f32,
    /// Median correlation of the windows, 0 to 1.
    pub correlation: f32,
    /// How much later it was heard than it was said, in ms; exact only when both were recorded by one clock.
    pub delay_ms: f32,
    /// Level of what was heard, in dBFS (root mean square).
    pub level_dbfs: f32,
}

/// How alike the windows of what was said are to what was heard, 0 to 1, and when each began: those with sound in them, one
/// after the other. Both mono at [`RATE`].
///
/// # Errors
/// When less than two seconds of either are there.
pub fn likenesses(said: &[f32], heard: &[f32], window: Duration) -> Result<Vec<(Duration, f32)>> {
    let (said, heard, place) = aligned(said, heard)?;
    let windows = windows(&said, &heard, place, (window.as_secs_f32() * LOW_RATE as f32) as usize);
    let at = |window: &Window| Duration::from_secs_f64(window.at as f64 / LOW_RATE as f64);
    Ok(windows.iter().map(|window| (at(window), window.likeness)).collect())
}

/// Compares what was heard with what was said, both mono at [`RATE`].
///
/// # Errors
/// When less than two seconds of either are there, or the stretch they share has too little sound in it.
pub fn compare(said: &[f32], heard: &[f32]) -> Result<Likeness> {
    let level_dbfs = 20.0 * rms(heard).max(1e-9).log10();
    let (said, heard, place) = aligned(said, heard)?;
    let mut windows = windows(&said, &heard, place, WINDOW);
    if windows.len() < 3 {
        bail!("only {} windows with sound in them fall into what was heard ({level_dbfs:.0} dBFS)", windows.len());
    }
    windows.sort_by(|a, b| a.likeness.total_cmp(&b.likeness));
    let correlation = windows[windows.len() / 2].likeness;
    // The delay of the windows that were really found; the jitter buffer moves it, its median is what an ear has.
    let mut lags: Vec<isize> =
        windows.iter().filter(|window| window.likeness > FOUND).map(|window| window.lag).collect();
    lags.sort_unstable();
    let found = lags.len();
    let lag = lags.get(lags.len() / 2).copied().unwrap_or(place);
    Ok(Likeness {
        found: found as f32 / windows.len() as f32,
        correlation,
        delay_ms: lag as f32 * 1000.0 / LOW_RATE as f32,
        level_dbfs,
    })
}

/// Reads a mono 16-bit WAV file at [`RATE`].
///
/// # Errors
/// When it is not such a file.
pub fn read(file: &Path) -> Result<Vec<f32>> {
    let reader = hound::WavReader::open(file)?;
    let spec = reader.spec();
    if (spec.channels, spec.sample_rate, spec.bits_per_sample) != (1, RATE, 16) {
        bail!("{}: mono, {RATE} Hz, 16 bit is wanted, this is {spec:?}", file.display());
    }
    Ok(reader.into_samples::<i16>().map(|sample| sample.map(from_i16)).collect::<Result<_, _>>()?)
}

/// Writes a recording where a person can listen to it.
///
/// # Errors
/// When the file cannot be written.
pub fn write(file: &Path, samples: &[f32]) -> Result<()> {
    let format = hound::SampleFormat::Int;
    let spec = hound::WavSpec { channels: 1, sample_rate: RATE, bits_per_sample: 16, sample_format: format };
    let mut writer = hound::WavWriter::create(file, spec)?;
    for sample in samples {
        writer.write_sample((sample.clamp(-1.0, 1.0) * f32::from(i16::MAX)) as i16)?;
    }
    Ok(writer.finalize()?)
}

/// Little-endian 16-bit samples, as the page's recorder sends them.
pub fn from_bytes(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(2).map(|pair| from_i16(i16::from_le_bytes([pair[0], pair[1]]))).collect()
}

/// The longest stretch, in ms, that is below `dbfs`, between the first and the last sound that is not. In steps of 5 ms.
pub fn longest_gap(samples: &[f32], dbfs: f32) -> f32 {
    gap_of(&levels(samples), dbfs)
}

/// As [`longest_gap`], of `heard`, without the time in which another way of the same sound, recorded beside it and no more than
/// 150 ms apart, has next to none either: what did not come at all is no gap of who plays it.
pub fn longest_gap_beside(heard: &[f32], other: &[f32], dbfs: f32) -> f32 {
    const APART: usize = 30;
    let (heard, other) = (levels(heard), levels(other));
    let came = |step: usize| {
        let around = step.saturating_sub(APART)..(step + APART + 1).min(other.len());
        other.get(around).is_some_and(|levels| levels.iter().all(|level| *level >= dbfs + 10.0))
    };
    let counted = heard.iter().enumerate().filter(|(step, level)| **level >= dbfs || came(*step));
    let counted: Vec<f32> = counted.map(|(_, level)| *level).collect();
    gap_of(&counted, dbfs)
}

/// The share of time in which it is louder than `dbfs`, 0 to 1. In steps of 5 ms.
pub fn time_above(samples: &[f32], dbfs: f32) -> f32 {
    let levels = levels(samples);
    levels.iter().filter(|level| **level > dbfs).count() as f32 / levels.len().max(1) as f32
}

/// dBFS of each 5 ms.
fn levels(samples: &[f32]) -> Vec<f32> {
    samples.chunks(RATE as usize / 200).map(|chunk| 20.0 * rms(chunk).max(1e-9).log10()).collect()
}

fn gap_of(levels: &[f32], dbfs: f32) -> f32 {
    let loud: Vec<usize> = (0..levels.len()).filter(|step| levels[*step] >= dbfs).collect();
    let longest = loud.windows(2).map(|pair| pair[1] - pair[0] - 1).max().unwrap_or_default();
    longest as f32 * 5.0
}

/// Root mean square.
pub fn rms(samples: &[f32]) -> f32 {
    (energy(samples) / samples.len().max(1) as f64).sqrt() as f32
}

fn from_i16(sample: i16) -> f32 {
    f32::from(sample) / 32_768.0
}

fn energy(samples: &[f32]) -> f64 {
    samples.iter().map(|sample| f64::from(*sample).powi(2)).sum()
}

/// Low-pass at 3.6 kHz (Hamming window, 97 taps), then each sixth sample.
fn decimate(samples: &[f32]) -> Vec<f32> {
    const HALF: isize = 48;
    let cutoff = 0.45 / FACTOR as f32;
    let taps: Vec<f32> = (-HALF..=HALF)
        .map(|k| {
            let x = std::f32::consts::TAU * cutoff * k as f32;
            let sinc = if k == 0 { 1.0 } else { x.sin() / x };
            let window = 0.54 + 0.46 * (std::f32::consts::PI * k as f32 / HALF as f32).cos();
            2.0 * cutoff * sinc * window
        })
        .collect();
    (0..samples.len() / FACTOR)
        .map(|i| {
            let centre = (i * FACTOR) as isize;
            let sample = |k: isize| usize::try_from(centre + k).ok().and_then(|at| samples.get(at)).unwrap_or(&0.0);
            taps.iter().zip(-HALF..=HALF).map(|(tap, k)| tap * sample(k)).sum()
        })
        .collect()
}

/// How many samples later `said` begins in `heard`: by the wave where one delay fits all, else by its envelope.
fn align(said: &[f32], heard: &[f32]) -> isize {
    let (likeness, lag) = best(said, heard, said.len() / 2);
    if likeness > 0.7 {
        return lag;
    }
    let (_, lag) = best(&envelope(said), &envelope(heard), said.len() / STEP / 2);
    lag * STEP as isize
}

/// Level of each 10 ms, without its mean.
fn envelope(samples: &[f32]) -> Vec<f32> {
    let levels: Vec<f32> = samples.chunks_exact(STEP).map(rms).collect();
    let mean = levels.iter().sum::<f32>() / levels.len().max(1) as f32;
    levels.into_iter().map(|level| level - mean).collect()
}

/// Both at the comparison's rate, and how many samples later the first begins in the second.
fn aligned(said: &[f32], heard: &[f32]) -> Result<(Vec<f32>, Vec<f32>, isize)> {
    let least = 2 * RATE as usize;
    if said.len() < least || heard.len() < least {
        bail!("too short to compare: {} and {} samples at {RATE} Hz", said.len(), heard.len());
    }
    let (said, heard) = (decimate(said), decimate(heard));
    let place = align(&said, &heard);
    Ok((said, heard, place))
}

/// A stretch of what was said that was looked for.
struct Window {
    /// Where it begins.
    at: usize,
    /// How alike what was found is.
    likeness: f32,
    /// How much later that is.
    lag: isize,
}

/// The windows of `said`, of `length` each, that have sound and whose place lies within `heard`.
fn windows(said: &[f32], heard: &[f32], place: isize, length: usize) -> Vec<Window> {
    let quiet = rms(said) * 0.5;
    let starts = (0..said.len().saturating_sub(length)).step_by(length);
    let mut found = Vec::new();
    for start in starts {
        let window = &said[start..start + length];
        let Ok(expected) = usize::try_from(start as isize + place) else { continue };
        if rms(window) < quiet || expected + length > heard.len() {
            continue;
        }
        let from = expected.saturating_sub(SPREAD);
        let to = (expected + length + SPREAD).min(heard.len());
        let (likeness, lag) = best(window, &heard[from..to], length);
        found.push(Window { at: start, likeness, lag: lag + from as isize - start as isize });
    }
    found
}

/// Where in `area` the `piece` fits best with at least `overlap` samples of it inside, and how well: the normalised
/// cross-correlation, 0 to 1, by way of a Fourier transform.
fn best(piece: &[f32], area: &[f32], overlap: usize) -> (f32, isize) {
    let length = (piece.len() + area.len()).next_power_of_two();
    let mut planner = RealFftPlanner::<f32>::new();
    let (forward, inverse) = (planner.plan_fft_forward(length), planner.plan_fft_inverse(length));
    let spectrum = |samples: &[f32]| {
        let mut padded = samples.to_vec();
        padded.resize(length, 0.0);
        let mut spectrum = forward.make_output_vec();
        forward.process(&mut padded, &mut spectrum).map(|()| spectrum)
    };
    let (Ok(piece_spectrum), Ok(mut product)) = (spectrum(piece), spectrum(area)) else { return (0.0, 0) };
    for (bin, other) in product.iter_mut().zip(&piece_spectrum) {
        *bin *= other.conj();
    }
    let mut correlation = inverse.make_output_vec();
    // The first and the last bin of a real signal's spectrum have no imaginary part; rounding leaves some.
    for edge in [0, product.len() - 1] {
        product[edge].im = 0.0;
    }
    if inverse.process(&mut product, &mut correlation).is_err() {
        return (0.0, 0);
    }
    let mut sums = vec![0.0_f64];
    for sample in area {
        sums.push(sums.last().copied().unwrap_or_default() + f64::from(*sample).powi(2));
    }
    let piece_energy = energy(piece);
    let first = overlap as isize - piece.len() as isize;
    let last = area.len() as isize - overlap as isize;
    let mut best = (0.0, 0);
    for lag in first..=last {
        let begin = lag.max(0) as usize;
        let end = ((lag + piece.len() as isize) as usize).min(area.len());
        let norm = (piece_energy * (sums[end] - sums[begin])).sqrt();
        let sum = correlation[lag.rem_euclid(length as isize) as usize].abs() / length as f32;
        if norm > 1e-6 && sum / norm as f32 > best.0 {
            best = (sum / norm as f32, lag);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Speech-like: noise below 3 kHz whose loudness changes a few times a second.
    fn speech(seed: u32, seconds: usize) -> Vec<f32> {
        let mut state = seed;
        let mut noise = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        let (mut low, mut level, mut goal) = (0.0, 0.0, 0.0);
        (0..seconds * RATE as usize)
            .map(|i| {
                if i % 7_200 == 0 {
                    goal = (noise() + 0.3).max(0.0);
                }
                level += (goal - level) / 1_000.0;
                low += (noise() - low) * 0.3;
                low * level * 0.5
            })
            .collect()
    }

    fn delayed(samples: &[f32], by: usize) -> Vec<f32> {
        let mut heard = vec![0.0; by];
        heard.extend_from_slice(samples);
        heard
    }

    #[test]
    fn the_same_speech_is_found_with_its_delay() {
        let said = speech(1, 6);
        let likeness = compare(&said, &delayed(&said, RATE as usize / 5)).unwrap();
        assert!(likeness.found > 0.99 && likeness.correlation > 0.99, "{likeness:?}");
        assert!((likeness.delay_ms - 200.0).abs() < 0.5, "{likeness:?}");
    }

    #[test]
    fn speech_that_was_heard_before_the_recording_of_it_began_has_a_negative_delay() {
        let said = speech(1, 6);
        let likeness = compare(&delayed(&said, RATE as usize / 2), &said).unwrap();
        assert!((likeness.delay_ms + 500.0).abs() < 0.5 && likeness.found > 0.99, "{likeness:?}");
    }

    #[test]
    fn a_piece_that_was_not_heard_is_told_by_its_time() {
        let said = speech(8, 8);
        let mut heard = delayed(&said, RATE as usize / 10);
        heard[4 * RATE as usize..5 * RATE as usize].fill(0.0);
        let second = Duration::from_secs(1);
        let alike = likenesses(&said, &heard, second).unwrap();
        let lost: Vec<u64> = alike.iter().filter(|(_, likeness)| *likeness < 0.9).map(|(at, _)| at.as_secs()).collect();
        assert!(alike.len() >= 5 && !lost.is_empty() && lost.iter().all(|at| [3, 4].contains(at)), "{alike:?}");
    }

    #[test]
    fn other_speech_is_not_found() {
        let likeness = compare(&speech(1, 6), &speech(2, 6)).unwrap();
        assert!(likeness.found < 0.1, "{likeness:?}");
    }

    #[test]
    fn speech_with_stretches_cut_out_and_put_in_is_still_found() {
        let said = speech(3, 8);
        // A jitter buffer at work: each second it drops 15 ms, then it repeats 20 ms.
        let mut heard = vec![0.0; 9_600];
        for (second, samples) in said.chunks(RATE as usize).enumerate() {
            if second % 2 == 0 {
                heard.extend_from_slice(&samples[720..]);
            } else {
                heard.extend_from_slice(samples);
                heard.extend_from_slice(&samples[samples.len() - 960..]);
            }
        }
        let likeness = compare(&said, &heard).unwrap();
        assert!(likeness.found >= 0.9, "{likeness:?}");
        assert!((likeness.delay_ms - 200.0).abs() < 40.0, "{likeness:?}");
    }

    #[test]
    fn noise_lowers_the_correlation_and_quiet_speech_does_not() {
        let said = speech(4, 6);
        let noise: Vec<f32> = speech(5, 6).iter().zip(&said).map(|(noise, said)| noise + said).collect();
        let noisy = compare(&said, &noise).unwrap();
        assert!((0.3..0.95).contains(&noisy.correlation), "{noisy:?}");
        let quiet: Vec<f32> = said.iter().map(|sample| sample * 0.01).collect();
        assert!(compare(&said, &quiet).unwrap().correlation > 0.99);
    }

    #[test]
    fn silence_and_snippets_are_refused_or_not_found() {
        let said = speech(6, 6);
        let silence = compare(&said, &vec![0.0; 6 * RATE as usize]);
        assert!(silence.is_err() || silence.is_ok_and(|likeness| likeness.found < 0.01));
        assert!(compare(&said, &said[..1_000]).unwrap_err().to_string().contains("too short"));
    }

    #[test]
    fn a_gap_is_measured_between_sounds_only() {
        let mut heard = vec![0.0; 48_000];
        heard[9_600..28_800].fill(0.1);
        assert!(longest_gap(&heard, -50.0) < 1.0);
        heard[14_400..24_000].fill(0.001);
        assert!((longest_gap(&heard, -50.0) - 200.0).abs() <= 5.0);
        assert!(longest_gap(&heard, -70.0) < 1.0);
    }

    #[test]
    fn a_gap_that_the_other_way_has_too_is_none() {
        let mut heard = vec![0.1; 96_000];
        heard[24_000..43_200].fill(0.0);
        let mut other = vec![0.1; 96_000];
        assert!((longest_gap_beside(&heard, &other, -50.0) - 400.0).abs() <= 5.0);
        // A pause of its own, 100 ms late: what is near to it is left out.
        other[28_800..48_000].fill(0.0);
        assert!(longest_gap_beside(&heard, &other, -50.0) < 1.0);
        // Elsewhere: nothing is left out.
        other.fill(0.1);
        other[72_000..84_000].fill(0.0);
        assert!((longest_gap_beside(&heard, &other, -50.0) - 400.0).abs() <= 5.0);
    }

    #[test]
    fn bytes_are_little_endian_samples() {
        assert_eq!(from_bytes(&[0x00, 0x40, 0x00, 0xC0, 0xFF]), [0.5, -0.5]);
    }
}
