//! One period of each tone, as samples. Pure arithmetic, without the sine of the C library: a resonator makes it.

use super::Tone;

/// Samples a second, Hz.
pub const RATE: u32 = 16_000;
/// Peak of a supervisory tone, full scale = 1.
const LEVEL: f32 = 0.12;
/// Peak of one note of the ring tone, full scale = 1.
const NOTE_LEVEL: f32 = 0.22;
/// Rise and fall of a supervisory tone, so that it does not click, samples (10 ms).
const EDGE: usize = RATE as usize / 100;
/// The ring tone: begin in ms, pitch in Hz. Two rising chords, then silence.
const TUNE: [(usize, f32); 8] = [
    (0, 523.3),
    (130, 659.3),
    (260, 784.0),
    (390, 1_046.5),
    (780, 523.3),
    (910, 659.3),
    (1_040, 784.0),
    (1_170, 1_046.5),
];

/// One period of the tone, −1 to 1, at [`RATE`]; its end joins its beginning without a click.
pub fn period(tone: Tone) -> Vec<f32> {
    match tone {
        Tone::Ring => ring(),
        Tone::RingBack => cadence(1_000, 4_000),
        Tone::Busy => cadence(400, 400),
    }
}

fn samples(millis: usize) -> usize {
    RATE as usize / 1000 * millis
}

/// 425 Hz (ITU-T E.180, recommended frequency), on and off for so many milliseconds.
fn cadence(on: usize, off: usize) -> Vec<f32> {
    let mut wave = vec![0.0; samples(on + off)];
    let on = samples(on);
    add(&mut wave[..on], 425.0, LEVEL, 1.0);
    for at in 0..EDGE {
        let gain = at as f32 / EDGE as f32;
        wave[at] *= gain;
        wave[on - 1 - at] *= gain;
    }
    wave
}

/// Struck notes with an octave above each, dying away within about half a second.
fn ring() -> Vec<f32> {
    let mut wave = vec![0.0; samples(3_500)];
    for (begin, hertz) in TUNE {
        let tail = &mut wave[samples(begin)..];
        add(tail, hertz, NOTE_LEVEL, 0.9995);
        add(tail, 2.0 * hertz, NOTE_LEVEL / 3.0, 0.9992);
    }
    wave
}

/// Adds a sine that begins at zero and shrinks by `decay` each sample: `y[n] = 2·r·cos ω·y[n−1] − r²·y[n−2]`.
fn add(wave: &mut [f32], hertz: f32, level: f32, decay: f32) {
    let (sine, cosine) = sine_cosine(2.0 * core::f32::consts::PI * hertz / RATE as f32);
    let (a, b) = (2.0 * decay * cosine, decay * decay);
    let (mut last, mut now) = (-level * sine / decay, 0.0);
    for sample in wave {
        *sample += now;
        (last, now) = (now, a * now - b * last);
    }
}

/// Sine and cosine by their Taylor series; exact to 10⁻⁵ for 0 to 1 radian.
fn sine_cosine(x: f32) -> (f32, f32) {
    let y = x * x;
    (
        x * (1.0 - y / 6.0 * (1.0 - y / 20.0 * (1.0 - y / 42.0))),
        1.0 - y / 2.0 * (1.0 - y / 12.0 * (1.0 - y / 30.0 * (1.0 - y / 56.0))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Tone; 3] = [Tone::Ring, Tone::RingBack, Tone::Busy];

    /// Power of one frequency (Goertzel's sum, by its definition), relative to a full-scale sine.
    fn power(wave: &[f32], hertz: f64) -> f64 {
        let step = 2.0 * std::f64::consts::PI * hertz / f64::from(RATE);
        let (mut re, mut im) = (0.0, 0.0);
        for (n, sample) in wave.iter().enumerate() {
            re += f64::from(*sample) * (step * n as f64).cos();
            im += f64::from(*sample) * (step * n as f64).sin();
        }
        4.0 * (re * re + im * im) / (wave.len() as f64).powi(2)
    }

    #[test]
    fn the_series_agree_with_the_library() {
        for step in 0..=100 {
            let x = step as f32 / 100.0;
            let (sine, cosine) = sine_cosine(x);
            assert!((sine - x.sin()).abs() < 1e-5 && (cosine - x.cos()).abs() < 1e-5, "{x}");
        }
    }

    #[test]
    fn ring_back_is_425_hz_for_one_second_in_five() {
        let wave = period(Tone::RingBack);
        assert_eq!(wave.len(), 80_000);
        let level = power(&wave[..16_000], 425.0).sqrt();
        assert!((level - f64::from(LEVEL)).abs() < 0.005, "{level}");
        assert!(power(&wave[..16_000], 440.0) < 1e-4);
        assert!(wave[16_000..].iter().all(|sample| *sample == 0.0));
    }

    #[test]
    fn busy_is_faster() {
        let wave = period(Tone::Busy);
        assert_eq!(wave.len(), 12_800);
        assert!(power(&wave[..6_400], 425.0) > 0.01 * f64::from(LEVEL));
        assert!(wave[6_400..].iter().all(|sample| *sample == 0.0));
    }

    #[test]
    fn no_tone_clips_or_clicks_where_it_loops() {
        for tone in ALL {
            let wave = period(tone);
            let peak = wave.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
            assert!(peak > 0.1 && peak < 0.9, "{tone:?} {peak}");
            assert!((wave[0] - wave[wave.len() - 1]).abs() < 0.001, "{tone:?}");
        }
    }
}
