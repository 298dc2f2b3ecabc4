//! Whole signals to a multiple of their rate and back, without delay: a linear-phase low-pass.

/// Zero crossings of the sinc to each side: the pass band ends at 0.9 of the lower Nyquist frequency.
const CROSSINGS: usize = 32;

/// `factor` times as many samples.
pub fn up(signal: &[f32], factor: usize) -> Vec<f32> {
    let taps = taps(factor);
    let centre = taps.len() / 2;
    let mut fast = vec![0.0; signal.len() * factor];
    for (n, sample) in fast.iter_mut().enumerate() {
        // y[n] = Σ x[k]·h[n − k·factor + centre]
        let first = (n.saturating_sub(centre)).div_ceil(factor);
        let last = ((n + centre) / factor).min(signal.len().saturating_sub(1));
        *sample = (first..=last).map(|k| signal.get(k).unwrap_or(&0.0) * taps[n + centre - k * factor]).sum::<f32>()
            * factor as f32;
    }
    fast
}

/// Every `factor`th sample of the signal without what is above the new Nyquist frequency.
pub fn down(signal: &[f32], factor: usize) -> Vec<f32> {
    let taps = taps(factor);
    let centre = taps.len() / 2;
    let slow = |m: usize| {
        let n = m * factor;
        let first = n.saturating_sub(centre);
        let last = (n + centre).min(signal.len() - 1);
        (first..=last).map(|k| signal[k] * taps[n + centre - k]).sum::<f32>()
    };
    (0..signal.len() / factor).map(slow).collect()
}

/// A sinc of sum 1 that cuts at 0.95 of the lower Nyquist frequency, under a Blackman window.
fn taps(factor: usize) -> Vec<f32> {
    use std::f64::consts::PI;
    let side = CROSSINGS * factor;
    let cutoff = 0.95 / factor as f64;
    let raw = (0..=2 * side).map(|n| {
        let t = n as f64 - side as f64;
        let sinc = if t == 0.0 { 1.0 } else { (PI * cutoff * t).sin() / (PI * cutoff * t) };
        let phase = PI * n as f64 / side as f64;
        sinc * (0.42 - 0.5 * phase.cos() + 0.08 * (2.0 * phase).cos())
    });
    let raw: Vec<f64> = raw.collect();
    let sum: f64 = raw.iter().sum();
    raw.iter().map(|tap| (tap / sum) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_and_down_again_is_what_it_was() {
        let tone: Vec<f32> = (0..3_200).map(|n| 0.5 * (std::f32::consts::TAU * 0.17 * n as f32).sin()).collect();
        for factor in [2, 3, 6] {
            let fast = up(&tone, factor);
            assert_eq!(fast.len(), tone.len() * factor);
            let back = down(&fast, factor);
            let error = back.iter().zip(&tone).skip(200).take(2_800).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(error < 1e-3, "{error} by {factor}");
        }
    }

    #[test]
    fn what_is_above_the_new_nyquist_frequency_goes() {
        let tone: Vec<f32> = (0..4_800).map(|n| (std::f32::consts::TAU * 0.25 * n as f32).sin()).collect();
        let loudest = down(&tone, 3)[100..1_500].iter().fold(0.0_f32, |most, sample| most.max(sample.abs()));
        assert!(loudest < 1e-3, "{loudest}");
    }

    #[test]
    fn nothing_stays_nothing() {
        assert!(up(&[], 3).is_empty() && down(&[], 3).is_empty());
    }
}
