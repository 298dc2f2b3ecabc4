//! The far end's recent spectra, one for each frame, newest first.

use crate::fft::{RealFft, Spectrum};

/// Spectra of `[frame before; frame]` for overlap-save convolution, low bins only.
#[derive(Clone, Debug)]
pub(crate) struct FarHistory {
    fft: RealFft,
    bins: usize,
    /// `[frame before; frame]`.
    time: Vec<f32>,
    spectrum: Spectrum,
    re: Vec<f32>,
    im: Vec<f32>,
    power: Vec<f32>,
    /// Row of the newest spectrum.
    head: usize,
    rows: usize,
    /// Frames since the far end was last heard.
    silent: usize,
}

/// Mean square under which a frame is silence: −66 dBFS. A line that idles has as much, and no room makes it heard.
const SILENCE: f32 = 2.5e-7;

impl FarHistory {
    /// Room for `rows` frames of `frame` samples, `bins` bins each; `None` when the frame cannot be transformed.
    pub fn new(frame: usize, bins: usize, rows: usize) -> Option<Self> {
        Some(Self {
            fft: RealFft::new(2 * frame)?,
            bins,
            time: vec![0.0; 2 * frame],
            spectrum: Spectrum::new(bins),
            re: vec![0.0; bins * rows],
            im: vec![0.0; bins * rows],
            power: vec![0.0; bins * rows],
            head: 0,
            rows,
            silent: rows + 1,
        })
    }

    /// Takes the next frame.
    pub fn push(&mut self, frame: &[f32]) {
        let half = frame.len();
        self.time.copy_within(half.., 0);
        self.time[half..].copy_from_slice(frame);
        let energy: f32 = frame.iter().map(|x| x * x).sum();
        self.silent = if energy > SILENCE * half as f32 { 0 } else { (self.silent + 1).min(self.rows + 1) };
        self.head = (self.head + self.rows - 1) % self.rows;
        let row = self.head * self.bins..(self.head + 1) * self.bins;
        if self.silent > 1 {
            // Exact zeros, without a transform, and no denormals later.
            self.re[row.clone()].fill(0.0);
            self.im[row.clone()].fill(0.0);
            self.power[row].fill(0.0);
            return;
        }
        self.fft.forward(&self.time, &mut self.spectrum);
        self.re[row.clone()].copy_from_slice(&self.spectrum.re);
        self.im[row.clone()].copy_from_slice(&self.spectrum.im);
        self.spectrum.power_into(&mut self.power[row]);
    }

    /// The spectrum `lag` frames ago: real and imaginary parts.
    pub fn spectrum(&self, lag: usize) -> (&[f32], &[f32]) {
        let row = self.row(lag);
        (&self.re[row.clone()], &self.im[row])
    }

    /// `|X|²` `lag` frames ago.
    pub fn power(&self, lag: usize) -> &[f32] {
        &self.power[self.row(lag)]
    }

    /// Whether nothing at all was heard from the far end in `rows` frames before the newest `lag`.
    pub fn is_silent(&self, lag: usize, rows: usize) -> bool {
        self.silent > lag + rows
    }

    fn row(&self, lag: usize) -> std::ops::Range<usize> {
        let row = (self.head + lag.min(self.rows - 1)) % self.rows;
        row * self.bins..(row + 1) * self.bins
    }

    pub fn reset(&mut self) {
        self.time.fill(0.0);
        self.re.fill(0.0);
        self.im.fill(0.0);
        self.power.fill(0.0);
        self.silent = self.rows + 1;
    }
}
