//! The whole chain, one frame of 10 ms at a time.

use std::sync::Arc;

use crate::config::{Config, NoiseEngine, NoiseSuppression, SAMPLE_RATES};
use crate::echo::{EchoCanceller, LINEAR_BINS};
use crate::gain::AutomaticGain;
use crate::high_pass::HighPass;
use crate::level::LevelMeter;
use crate::neural::{Network, NeuralSuppressor};
use crate::simd::{energy, kernels};
use crate::stft::frame_len;
use crate::suppressor::Suppressor;
use crate::{Error, Stats};

/// Voice processing for one microphone.
///
/// Feed each frame that goes to the loudspeaker to [`process_render`](Self::process_render) and each frame of the
/// microphone to [`process_capture`](Self::process_capture), in the order in which they happen. Frames are 10 ms of mono
/// audio, full scale ±1.0. Every stage is built by [`new`](Self::new), on or off, so that nothing is allocated afterwards
/// but where [`set_config`](Self::set_config) says so.
#[derive(Clone, Debug)]
pub struct AudioProcessor {
    rate: u32,
    frame: usize,
    config: Config,
    high_pass: HighPass,
    echo: EchoCanceller,
    /// How long a room the canceller was built for, ms.
    tail_ms: u16,
    suppressor: Suppressor,
    gain: AutomaticGain,
    near: Vec<f32>,
    far: Vec<f32>,
    erle: Erle,
    input: LevelMeter,
    output: LevelMeter,
}

impl AudioProcessor {
    /// A processor at rest for `rate` Hz.
    ///
    /// # Errors
    /// [`Error::SampleRate`] unless the rate is one of [`SAMPLE_RATES`]; [`Error::Config`] for a value out of range.
    /// [`Error::Network`] when the neural engine is asked for and the crate was built without its feature `network`.
    pub fn new(rate: u32, config: Config) -> Result<Self, Error> {
        let mut processor = Self::build(rate, &config)?;
        processor.set_config(config)?;
        Ok(processor)
    }

    /// As [`new`](Self::new), with weights that the host has read for the neural engine.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn with_network(rate: u32, config: Config, network: Network) -> Result<Self, Error> {
        let mut processor = Self::build(rate, &config)?;
        processor.set_network(network);
        processor.set_config(config)?;
        Ok(processor)
    }

    /// Takes weights that the host has read since, in place of others; [`set_config`](Self::set_config) switches the neural
    /// engine on. Allocates.
    pub fn set_network(&mut self, network: Network) {
        let network = Arc::new(network);
        let least = self.config.noise.unwrap_or_default().level.least_gain();
        self.suppressor.set_neural(NeuralSuppressor::new(self.rate, network, least));
    }

    /// With all stages off, but built for `config`.
    fn build(rate: u32, config: &Config) -> Result<Self, Error> {
        config.check()?;
        let frame = frame_len(rate);
        let unsupported = || Error::SampleRate { rate };
        let meter = LevelMeter::new(rate as f32).filter(|_| SAMPLE_RATES.contains(&rate)).ok_or_else(unsupported)?;
        let echo = config.echo.unwrap_or_default();
        let gain = config.gain.unwrap_or_default();
        Ok(Self {
            rate,
            frame,
            high_pass: HighPass::new(rate, config.high_pass.unwrap_or_default().cutoff_hz),
            echo: EchoCanceller::new(frame, &echo).ok_or_else(unsupported)?,
            tail_ms: echo.tail_ms,
            suppressor: Suppressor::new(rate, LINEAR_BINS).ok_or_else(unsupported)?,
            gain: AutomaticGain::new(rate, &gain),
            near: vec![0.0; frame],
            far: vec![0.0; frame],
            erle: Erle::default(),
            input: meter.clone(),
            output: meter,
            config: Config::OFF,
        })
    }

    /// Samples in a frame.
    pub fn frame_len(&self) -> usize {
        self.frame
    }

    /// Samples by which the output is later than the input.
    pub fn latency(&self) -> usize {
        let suppressor = if suppresses(&self.config) { self.suppressor.latency() } else { 0 };
        suppressor + if self.config.gain.is_some() { self.gain.latency() } else { 0 }
    }

    /// The stages that are on.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Changes the stages. Those that stay on keep what they have learnt, those that are switched on begin anew.
    ///
    /// To be called between frames; only another tail of the echo canceller, and the first use of the neural engine,
    /// allocate.
    ///
    /// # Errors
    /// [`Error::Config`] for a value out of range, [`Error::Network`] for a neural engine without weights; then nothing has
    /// changed.
    pub fn set_config(&mut self, config: Config) -> Result<(), Error> {
        config.check()?;
        // What can fail comes first.
        let (before, noise) = (self.config.noise, config.noise);
        if noise.is_some_and(is_neural) && !self.suppressor.has_neural() {
            #[cfg(feature = "network")]
            self.set_network(Network::built_in().map_err(|_| Error::Network)?);
            #[cfg(not(feature = "network"))]
            return Err(Error::Network);
        }
        if let Some(echo) = config.echo.filter(|echo| echo.tail_ms != self.tail_ms) {
            self.echo = EchoCanceller::new(self.frame, &echo).ok_or(Error::SampleRate { rate: self.rate })?;
            self.tail_ms = echo.tail_ms;
            self.suppressor.forget_echo();
        }

        if let Some(high_pass) = config.high_pass.filter(|_| config.high_pass != self.config.high_pass) {
            self.high_pass = HighPass::new(self.rate, high_pass.cutoff_hz);
        }
        if config.echo.is_some() && self.config.echo.is_none() {
            self.echo.reset();
            self.suppressor.forget_echo();
            self.erle = Erle::default();
        }
        if suppresses(&config) && !suppresses(&self.config) {
            self.suppressor.reset();
        } else if noise.is_some() && before.is_none() {
            self.suppressor.forget_noise();
        } else if noise.is_some_and(is_neural) && !before.is_some_and(is_neural) {
            // What is known of the noise is of use to both engines.
            self.suppressor.forget_network();
        }
        if let Some(noise) = noise {
            self.suppressor.set_level(noise.level);
        }
        if let Some(gain) = &config.gain {
            if self.config.gain.is_none() {
                self.gain.reset();
            }
            self.gain.set_config(gain);
        }
        self.config = config;
        Ok(())
    }

    /// Whether there are weights for the neural engine.
    pub fn has_network(&self) -> bool {
        self.suppressor.has_neural()
    }

    /// Takes a frame that goes to the loudspeaker.
    ///
    /// # Errors
    /// [`Error::FrameLength`] when it is not 10 ms long.
    pub fn process_render(&mut self, far: &[f32]) -> Result<(), Error> {
        self.check(far.len())?;
        copy_finite(far, &mut self.far);
        if self.config.echo.is_some() {
            self.echo.render(&self.far);
        }
        Ok(())
    }

    /// As [`process_render`](Self::process_render) for two loudspeakers, which are taken for one.
    ///
    /// # Errors
    /// [`Error::FrameLength`] when a side is not 10 ms long.
    pub fn process_render_stereo(&mut self, left: &[f32], right: &[f32]) -> Result<(), Error> {
        self.check(left.len())?;
        self.check(right.len())?;
        for ((far, left), right) in self.far.iter_mut().zip(left).zip(right) {
            *far = finite(0.5 * (left + right));
        }
        if self.config.echo.is_some() {
            self.echo.render(&self.far);
        }
        Ok(())
    }

    /// Takes a frame of the microphone and writes one to be sent, within ±1.0 and finite whatever came in.
    ///
    /// # Errors
    /// [`Error::FrameLength`] when one of them is not 10 ms long.
    pub fn process_capture(&mut self, near: &[f32], out: &mut [f32]) -> Result<(), Error> {
        self.check(near.len())?;
        self.check(out.len())?;
        copy_finite(near, &mut self.near);
        self.input.process(&self.near);
        if self.config.high_pass.is_some() {
            self.high_pass.process(&mut self.near);
        }
        match self.config.echo {
            Some(_) => self.echo.capture(&self.near, out),
            None => out.copy_from_slice(&self.near),
        }
        let is_neural = self.config.noise.is_some_and(is_neural);
        if self.config.gain.is_some() {
            self.gain.listen(out, is_neural);
        }
        if suppresses(&self.config) {
            let echo = self.config.echo.filter(|echo| echo.suppress).map(|_| &self.echo);
            self.suppressor.process(echo, self.config.noise.map(|noise| noise.engine), out);
        }
        let near_end = self.near_end();
        if near_end < ALONE {
            self.erle.add(&self.near, out);
        }
        if self.config.gain.is_some() {
            // The network hears more than the detector, and has been asked already.
            let voice = is_neural.then(|| self.suppressor.near_end());
            self.gain.process(out, voice, near_end);
        }
        bound(out);
        self.output.process(out);
        Ok(())
    }

    /// What is known now.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            latency_samples: self.latency(),
            input_dbfs: self.input.level_dbfs(),
            output_dbfs: self.output.level_dbfs(),
            ..Stats::default()
        };
        if self.config.echo.is_some() {
            let echo = &self.echo;
            stats.delay_ms = echo.delay().map(|frames| frames as f32 * 10.0);
            stats.linear_erle_db = -10.0 * echo.left().max(1e-9).log10();
            stats.erle_db = self.erle.db();
            stats.drift_ppm = echo.drift_ppm();
        }
        if self.config.echo.is_some_and(|echo| echo.suppress) {
            stats.speech_probability = self.suppressor.near_end();
            stats.double_talk = if self.echo.is_active() { self.suppressor.near_end() } else { 0.0 };
        }
        if self.config.noise.is_some() {
            let noise = self.suppressor.noise();
            // By Parseval, of a window with the energy of one frame.
            let power = 2.0 * noise.iter().sum::<f32>() / (2 * self.frame * self.frame) as f32;
            stats.noise_dbfs = (10.0 * (power + 1e-10).log10()).min(0.0);
        }
        if self.config.gain.is_some() {
            stats.speech_probability = self.gain.speech_probability();
            stats.gain_db = self.gain.gain_db();
        }
        stats
    }

    /// How likely what is heard comes from the near end: as long as the far end is silent, it does.
    fn near_end(&self) -> f32 {
        let told = self.config.echo.is_some_and(|echo| echo.suppress) && self.echo.is_active();
        if told { self.suppressor.near_end() } else { 1.0 }
    }

    /// Forgets everything that was learnt, for another microphone or room.
    pub fn reset(&mut self) {
        self.echo.reset();
        self.suppressor.reset();
        self.high_pass.reset();
        self.gain.reset();
        self.erle = Erle::default();
        self.input.reset();
        self.output.reset();
    }

    fn check(&self, actual: usize) -> Result<(), Error> {
        if actual == self.frame { Ok(()) } else { Err(Error::FrameLength { expected: self.frame, actual }) }
    }
}

/// Whether spectra are needed: for noise, or for what the linear filter leaves of the echo.
fn suppresses(config: &Config) -> bool {
    config.noise.is_some() || config.echo.is_some_and(|echo| echo.suppress)
}

fn is_neural(noise: NoiseSuppression) -> bool {
    noise.engine == NoiseEngine::Neural
}

/// Below this probability of near-end speech the far end is taken to speak alone.
const ALONE: f32 = 0.1;

/// Echo return loss enhancement over about a second of far-end speech: powers in and out.
#[derive(Clone, Debug, Default)]
struct Erle {
    near: f32,
    out: f32,
}

impl Erle {
    fn add(&mut self, near: &[f32], out: &[f32]) {
        self.near = 0.99 * self.near + energy(near) + 1e-12;
        self.out = 0.99 * self.out + energy(out) + 1e-12;
    }

    /// 0 to 60 dB; 0 before anything was heard.
    fn db(&self) -> f32 {
        if self.out > 0.0 { (10.0 * (self.near / self.out).log10()).clamp(0.0, 60.0) } else { 0.0 }
    }
}

/// NaN and infinities are silence; what is beyond full scale is cut.
#[inline(always)]
fn finite(sample: f32) -> f32 {
    if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 }
}

kernels! {
    fn copy_finite(from: &[f32], to: &mut [f32]) {
        for (to, from) in to.iter_mut().zip(from) {
            *to = finite(*from);
        }
    }

    fn bound(frame: &mut [f32]) {
        for sample in frame {
            *sample = sample.clamp(-1.0, 1.0);
        }
    }
}
