//! Short-time spectra: 10 ms hop, 20 ms transform, so that bins are 50 Hz apart at every rate. (The network has a window of
//! its own, of which nothing is made again.)
//!
//! The window has 19 ms: square-root Hann slopes of 9 ms around 1 ms of one, the same for analysis and synthesis, so that
//! an unchanged spectrum gives the signal back. The overlap, 9 ms, is all the delay there is.

use crate::fft::{RealFft, Spectrum};

/// A power per bin that nobody hears (−120 dB of one sample at full scale): what is added where a power divides.
pub(crate) const FAINT: f32 = 1e-12;

/// Samples in a frame of 10 ms at `rate` Hz.
pub(crate) fn frame_len(rate: u32) -> usize {
    (rate / 100) as usize
}

/// Bins of a spectrum at `rate` Hz, from 0 to half the rate.
pub(crate) fn bins(rate: u32) -> usize {
    frame_len(rate) + 1
}

/// Overlap of two windows, samples: 9 ms.
pub(crate) fn overlap(rate: u32) -> usize {
    (rate / 100 * 9 / 10) as usize
}

/// The window at `rate` Hz: one frame and one overlap long.
fn window(rate: u32) -> Vec<f32> {
    let (frame, overlap) = (frame_len(rate), overlap(rate));
    let length = frame + overlap;
    let slope = |k: usize| (std::f32::consts::FRAC_PI_2 * (k as f32 + 0.5) / overlap as f32).sin();
    (0..length)
        .map(|k| {
            if k < overlap {
                slope(k)
            } else if k >= frame {
                slope(length - 1 - k)
            } else {
                1.0
            }
        })
        .collect()
}

/// Cuts a signal into windows and transforms them.
#[derive(Clone, Debug)]
pub(crate) struct Analyzer {
    fft: RealFft,
    window: Vec<f32>,
    /// The overlap that the next window begins with, then room for a frame.
    history: Vec<f32>,
    time: Vec<f32>,
}

impl Analyzer {
    /// For `rate` Hz; `None` when 20 ms at that rate cannot be transformed.
    pub fn new(rate: u32) -> Option<Self> {
        Self::with_window(window(rate), (rate / 50) as usize)
    }

    /// For any window and a transform of `size`, at least as long; `None` when that cannot be transformed.
    pub fn with_window(window: Vec<f32>, size: usize) -> Option<Self> {
        let fft = RealFft::new(size)?;
        Some(Self { fft, history: vec![0.0; window.len()], time: vec![0.0; size], window })
    }

    /// Takes the next frame (10 ms) and writes the spectrum of the window that ends with it.
    pub fn analyze(&mut self, frame: &[f32], spectrum: &mut Spectrum) {
        let length = self.window.len();
        self.history.copy_within(frame.len().., 0);
        self.history[length - frame.len()..].copy_from_slice(frame);
        for ((time, x), w) in self.time.iter_mut().zip(&self.history).zip(&self.window) {
            *time = x * w;
        }
        self.time[length..].fill(0.0);
        self.fft.forward(&self.time, spectrum);
    }

    pub fn reset(&mut self) {
        self.history.fill(0.0);
    }
}

/// Turns spectra back into a signal, [`overlap`] samples later.
#[derive(Clone, Debug)]
pub(crate) struct Synthesizer {
    fft: RealFft,
    window: Vec<f32>,
    tail: Vec<f32>,
    time: Vec<f32>,
}

impl Synthesizer {
    /// For `rate` Hz; `None` when 20 ms at that rate cannot be transformed.
    pub fn new(rate: u32) -> Option<Self> {
        let fft = RealFft::new((rate / 50) as usize)?;
        Some(Self { fft, window: window(rate), tail: vec![0.0; overlap(rate)], time: vec![0.0; (rate / 50) as usize] })
    }

    /// Writes the frame that is whole with this window.
    pub fn synthesize(&mut self, spectrum: &Spectrum, frame: &mut [f32]) {
        self.fft.inverse(spectrum, &mut self.time);
        for (x, w) in self.time.iter_mut().zip(&self.window) {
            *x *= w;
        }
        for (x, tail) in self.time.iter_mut().zip(&self.tail) {
            *x += tail;
        }
        let (whole, rest) = self.time.split_at(frame.len());
        frame.copy_from_slice(whole);
        let overlap = self.tail.len();
        self.tail.copy_from_slice(&rest[..overlap]);
    }

    pub fn reset(&mut self) {
        self.tail.fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unchanged_spectrum_gives_the_signal_back_one_overlap_later() {
        for rate in crate::config::SAMPLE_RATES {
            let (frame, delay) = (frame_len(rate), overlap(rate));
            let signal: Vec<f32> = (0..frame as u32 * 20)
                .map(|k| (k.wrapping_mul(2_654_435_761) >> 9) as f32 / 8_388_608.0 - 0.5)
                .collect();
            let (mut analyzer, mut synthesizer) = (Analyzer::new(rate).unwrap(), Synthesizer::new(rate).unwrap());
            let mut spectrum = Spectrum::new(frame + 1);
            let mut out = vec![0.0; signal.len()];
            for (frame_in, frame_out) in signal.chunks(frame).zip(out.chunks_mut(frame)) {
                analyzer.analyze(frame_in, &mut spectrum);
                synthesizer.synthesize(&spectrum, frame_out);
            }
            for (k, sample) in out.iter().enumerate().skip(delay) {
                assert!((sample - signal[k - delay]).abs() < 1e-5, "{rate} Hz, sample {k}");
            }
        }
    }
}
