//! Signals that are made here: noise, and a voice that a detector takes for one.

#![allow(dead_code, reason = "each test takes some of them")]

use std::f32::consts::{PI, TAU};

/// Uniform noise, ±1, the same for a seed at all times.
pub struct Noise(pub u64);

impl Noise {
    pub fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / 8_388_608.0 - 1.0
    }
}

/// White noise with a level of `dbfs`.
pub fn noise(rate: u32, seconds: f32, dbfs: f32, seed: u64) -> Vec<f32> {
    let mut source = Noise(seed);
    let amplitude = 3_f32.sqrt() * 10_f32.powf(dbfs / 20.0);
    (0..(rate as f32 * seconds) as usize).map(|_| amplitude * source.next()).collect()
}

/// Glottal pulses around 120 Hz through three wandering formants, in syllables of 250 ms; every fifth one is a pause.
/// Scaled to a level of `dbfs` while it speaks.
pub fn voice(rate: u32, seconds: f32, dbfs: f32) -> Vec<f32> {
    let (mut phase, mut states) = (0.0_f32, [[0.0_f32; 2]; 3]);
    let mut spoken = 0;
    let mut samples: Vec<f32> = (0..(rate as f32 * seconds) as usize)
        .map(|n| {
            let t = n as f32 / rate as f32;
            phase += (120.0 + 20.0 * (2.1 * t).sin()) / rate as f32;
            let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
            phase = phase.fract();
            let mut sum = 0.0;
            for (k, state) in states.iter_mut().enumerate() {
                let formant = [600.0, 1_300.0, 2_500.0][k] * (1.0 + 0.2 * (t * [9.0, 7.0, 5.0][k]).sin());
                let radius = (-PI * 90.0 / rate as f32).exp();
                let y =
                    pulse + 2.0 * radius * (TAU * formant / rate as f32).cos() * state[0] - radius * radius * state[1];
                *state = [y, state[0]];
                sum += y / (k + 1) as f32;
            }
            let pause = (4.0 * t) as u32 % 5 == 4;
            spoken += usize::from(!pause);
            if pause { 0.0 } else { sum * (0.6 - 0.4 * (TAU * 4.0 * t).cos()) }
        })
        .collect();
    let power = samples.iter().map(|x| x * x).sum::<f32>() / spoken.max(1) as f32;
    let scale = 10_f32.powf(dbfs / 20.0) / power.sqrt();
    samples.iter_mut().for_each(|sample| *sample *= scale);
    samples
}

/// Level of what is loud in `signal`, dBFS: mean power of the 10 ms frames that are within 20 dB of the loudest.
pub fn active_dbfs(rate: u32, signal: &[f32]) -> f32 {
    let powers: Vec<f32> = signal.chunks_exact(rate as usize / 100).map(power).collect();
    let loudest = powers.iter().fold(0.0_f32, |a, b| a.max(*b));
    let active: Vec<f32> = powers.into_iter().filter(|power| *power > 0.01 * loudest).collect();
    db(active.iter().sum::<f32>() / active.len().max(1) as f32)
}

pub fn power(signal: &[f32]) -> f32 {
    signal.iter().map(|x| x * x).sum::<f32>() / signal.len().max(1) as f32
}

pub fn db(ratio: f32) -> f32 {
    10.0 * (ratio + 1e-20).log10()
}
