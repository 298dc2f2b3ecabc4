//! Another rate for a whole file, with a filter that is long because nobody waits for it.

/// Zero crossings of the sinc on either side.
const CROSSINGS: f64 = 32.0;

/// The samples at another rate, without delay.
pub fn resample(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
    if from == to {
        return samples.to_vec();
    }
    let ratio = f64::from(from) / f64::from(to);
    // Cut off a little below the lower of both Nyquist frequencies.
    let cutoff = 0.95 * (1.0 / ratio).min(1.0);
    let reach = CROSSINGS / cutoff;
    let count = (samples.len() as f64 / ratio) as usize;
    let value = |n: usize| {
        let centre = n as f64 * ratio;
        let (first, last) = ((centre - reach).ceil().max(0.0) as usize, (centre + reach) as usize);
        let taps = samples.iter().enumerate().take(last + 1).skip(first).map(|(k, sample)| {
            let x = k as f64 - centre;
            let angle = std::f64::consts::PI * cutoff * x;
            let sinc = if angle.abs() < 1e-9 { 1.0 } else { angle.sin() / angle };
            // Hann window.
            let window = 0.5 + 0.5 * (std::f64::consts::PI * x / reach).cos();
            f64::from(*sample) * sinc * window * cutoff
        });
        taps.sum::<f64>() as f32
    };
    (0..count).map(value).collect()
}
