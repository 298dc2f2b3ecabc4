//! The whole chain, one frame of 10 ms at a time.

use std::sync::Arc;

use crate::config::{Config, NoiseEngine, SAMPLE_RATES};
use crate::echo::{EchoCanceller, LINEAR_BINS};
use crate::gain::AutomaticGain;
use crate::high_pass::HighPass;
use crate::level::LevelMeter;
use crate::neural::{Network, NeuralSuppressor};
use crate::noise::NoiseSuppressor;
use crate::simd::{energy, kernels};
use crate::stft::frame_len;
use crate::suppressor::Suppressor;
use crate::{Error, Stats};

/// Voice processing for one microphone.
///
/// Feed each frame that goes to the loudspeaker to [`process_render`](Self::process_render) and each frame of the
/// microphone to [`process_capture`](Self::process_capture), in the order in which they happen. Frames are 10 ms of mono
/// audio, full scale ±1.0. Nothing is allocated after [`new`](Self::new) and [`set_config`](Self::set_config).
#[derive(Clone, Debug)]
pub struct AudioProcessor {
    rate: u32,
    frame: usize,
    config: Config,
    high_pass: Option<HighPass>,
    echo: Option<EchoCanceller>,
    suppressor: Option<Suppressor>,
    gain: Option<AutomaticGain>,
    network: Option<Arc<Network>>,
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
        #[cfg(feature = "network")]
        let network = match &config.noise {
            Some(noise) if noise.engine == NoiseEngine::Neural => Network::built_in().ok().map(Arc::new),
            _ => None,
        };
        #[cfg(not(feature = "network"))]
        let network = None;
        Self::build(rate, config, network)
    }

    /// As [`new`](Self::new), with weights that the host has read for the neural engine.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn with_network(rate: u32, config: Config, network: Network) -> Result<Self, Error> {
        Self::build(rate, config, Some(Arc::new(network)))
    }

    fn build(rate: u32, config: Config, network: Option<Arc<Network>>) -> Result<Self, Error> {
        config.check()?;
        let frame = frame_len(rate);
        let unsupported = Error::SampleRate { rate };
        let meter = LevelMeter::new(rate as f32).filter(|_| SAMPLE_RATES.contains(&rate));
        let meter = meter.ok_or_else(|| unsupported.clone())?;
        let echo = match &config.echo {
            Some(echo) => Some(EchoCanceller::new(frame, echo).ok_or_else(|| unsupported.clone())?),
            None => None,
        };
        let neural = match &config.noise {
            Some(noise) if noise.engine == NoiseEngine::Neural => {
                let network = network.clone().ok_or(Error::Network)?;
                Some(NeuralSuppressor::new(rate, network, noise.level.least_gain()))
            }
            _ => None,
        };
        let spectral = config.noise.filter(|noise| noise.engine == NoiseEngine::Spectral);
        let spectral = spectral.map(|noise| NoiseSuppressor::new(rate, noise.level));
        let suppressor = if config.noise.is_some() || config.echo.is_some_and(|echo| echo.suppress) {
            Some(Suppressor::new(rate, LINEAR_BINS, neural, spectral).ok_or(unsupported)?)
        } else {
            None
        };
        Ok(Self {
            rate,
            frame,
            high_pass: config.high_pass.map(|high_pass| HighPass::new(rate, high_pass.cutoff_hz)),
            echo,
            suppressor,
            gain: config.gain.map(|gain| AutomaticGain::new(rate, &gain)),
            network,
            near: vec![0.0; frame],
            far: vec![0.0; frame],
            erle: Erle::default(),
            input: meter.clone(),
            output: meter,
            config,
        })
    }

    /// Samples in a frame.
    pub fn frame_len(&self) -> usize {
        self.frame
    }

    /// Samples by which the output is later than the input.
    pub fn latency(&self) -> usize {
        self.suppressor.as_ref().map_or(0, Suppressor::latency) + self.gain.as_ref().map_or(0, AutomaticGain::latency)
    }

    /// The stages that are on.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Changes the stages. Those that stay as they are keep what they have learnt.
    ///
    /// # Errors
    /// [`Error::Config`] for a value out of range; then nothing has changed.
    pub fn set_config(&mut self, config: Config) -> Result<(), Error> {
        let mut fresh = match &self.network {
            Some(network) => Self::build(self.rate, config, Some(network.clone()))?,
            None => Self::new(self.rate, config)?,
        };
        if fresh.config.high_pass == self.config.high_pass {
            fresh.high_pass = self.high_pass.take();
        }
        if fresh.config.echo == self.config.echo {
            fresh.echo = self.echo.take();
            if fresh.config.noise == self.config.noise {
                fresh.suppressor = self.suppressor.take();
            }
        }
        if let (Some(gain), Some(mut learnt)) = (&fresh.config.gain, self.gain.take()) {
            learnt.set_config(gain);
            fresh.gain = Some(learnt);
        }
        (fresh.input, fresh.output) = (self.input.clone(), self.output.clone());
        *self = fresh;
        Ok(())
    }

    /// Takes a frame that goes to the loudspeaker.
    ///
    /// # Errors
    /// [`Error::FrameLength`] when it is not 10 ms long.
    pub fn process_render(&mut self, far: &[f32]) -> Result<(), Error> {
        self.check(far.len())?;
        copy_finite(far, &mut self.far);
        if let Some(echo) = &mut self.echo {
            echo.render(&self.far);
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
        if let Some(echo) = &mut self.echo {
            echo.render(&self.far);
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
        if let Some(high_pass) = &mut self.high_pass {
            high_pass.process(&mut self.near);
        }
        match &mut self.echo {
            Some(echo) => echo.capture(&self.near, out),
            None => out.copy_from_slice(&self.near),
        }
        if let Some(gain) = &mut self.gain {
            gain.listen(out);
        }
        if let Some(suppressor) = &mut self.suppressor {
            suppressor.process(self.echo.as_ref(), out);
            if self.echo.as_ref().is_some_and(EchoCanceller::is_active) && suppressor.near_end() < ALONE {
                self.erle.add(&self.near, out);
            }
        }
        let near_end = self.near_end();
        if let Some(gain) = &mut self.gain {
            gain.process(out, near_end);
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
        if let Some(echo) = &self.echo {
            stats.delay_ms = echo.delay().map(|frames| frames as f32 * 10.0);
            stats.linear_erle_db = -10.0 * echo.left().max(1e-9).log10();
            stats.erle_db = self.erle.db();
            stats.drift_ppm = echo.drift_ppm();
        }
        if let (Some(echo), Some(suppressor)) = (&self.echo, &self.suppressor) {
            stats.speech_probability = suppressor.near_end();
            stats.double_talk = if echo.is_active() { suppressor.near_end() } else { 0.0 };
        }
        if let Some(noise) = self.suppressor.as_ref().and_then(Suppressor::noise) {
            // By Parseval, of a window with the energy of one frame.
            let power = 2.0 * noise.iter().sum::<f32>() / (2 * self.frame * self.frame) as f32;
            stats.noise_dbfs = (10.0 * (power + 1e-10).log10()).min(0.0);
        }
        if let Some(gain) = &self.gain {
            stats.speech_probability = gain.speech_probability();
            stats.gain_db = gain.gain_db();
        }
        stats
    }

    /// How likely what is heard comes from the near end: as long as the far end is silent, it does.
    fn near_end(&self) -> f32 {
        match (&self.echo, &self.suppressor) {
            (Some(echo), Some(suppressor)) if echo.is_active() => suppressor.near_end(),
            _ => 1.0,
        }
    }

    /// Forgets everything that was learnt, for another microphone or room.
    pub fn reset(&mut self) {
        if let Some(echo) = &mut self.echo {
            echo.reset();
        }
        if let Some(suppressor) = &mut self.suppressor {
            suppressor.reset();
        }
        if let Some(high_pass) = &mut self.high_pass {
            high_pass.reset();
        }
        if let Some(gain) = &mut self.gain {
            gain.reset();
        }
        self.erle = Erle::default();
        self.input.reset();
        self.output.reset();
    }

    fn check(&self, actual: usize) -> Result<(), Error> {
        if actual == self.frame { Ok(()) } else { Err(Error::FrameLength { expected: self.frame, actual }) }
    }
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
