//! One microphone's chain between a host that speaks in quanta and a processor that works in frames.

use soft_phone_dsp::host::{Figure, stages};
use soft_phone_dsp::{
    AudioProcessor, Config, EchoCancellation, GainControl, HighPass, LevelMeter, NoiseEngine, NoiseLevel,
    NoiseSuppression, Stats,
};

/// Most samples that one call takes.
pub const CAPACITY: usize = 1_024;

/// Everything that one microphone needs.
pub struct Engine {
    pub(crate) microphone: [f32; CAPACITY],
    pub(crate) far_end: [f32; CAPACITY],
    pub(crate) output: [f32; CAPACITY],
    statistics: [f32; Figure::COUNT],
    rate: f32,
    meter: LevelMeter,
    frames: Frames,
    /// Some stage is on. Else what goes in comes out, at once.
    on: bool,
}

impl Engine {
    /// With all stages off; `None` for a rate that the processor does not know.
    pub(crate) fn new(rate: f32) -> Option<Engine> {
        let meter = LevelMeter::new(rate)?;
        // The meter has taken it, so it is a positive number; a fraction of a hertz is no rate of the processor's.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked by the meter")]
        let whole = rate as u32;
        if whole as f32 != rate {
            return None;
        }
        let processor = AudioProcessor::new(whole, Config::OFF).ok()?;
        Some(Engine {
            microphone: [0.0; CAPACITY],
            far_end: [0.0; CAPACITY],
            output: [0.0; CAPACITY],
            statistics: [f32::NAN; Figure::COUNT],
            rate,
            meter,
            frames: Frames::new(processor),
            on: false,
        })
    }

    /// False when there is no such stage.
    pub(crate) fn configure(&mut self, wanted: u32) -> bool {
        if wanted & !stages::ALL != 0 || self.frames.processor.set_config(config(wanted)).is_err() {
            return false;
        }
        let on = wanted != 0;
        if on && !self.on {
            self.frames.clear();
        }
        self.on = on;
        true
    }

    pub(crate) fn process(&mut self, samples: usize) -> usize {
        let taken = samples.min(CAPACITY);
        let (microphone, far_end, output) =
            (&self.microphone[..taken], &self.far_end[..taken], &mut self.output[..taken]);
        self.meter.process(microphone);
        if self.on {
            self.frames.process(microphone, far_end, output);
        } else {
            output.copy_from_slice(microphone);
        }
        taken
    }

    pub(crate) fn statistics(&mut self) -> &[f32] {
        let stats = if self.on { self.frames.processor.stats() } else { Stats::default() };
        let latency = if self.on { self.frames.latency() } else { 0 };
        let known = |value: f32| if self.on { value } else { f32::NAN };
        let mut set = |figure: Figure, value: f32| self.statistics[figure as usize] = value;
        set(Figure::Level, self.meter.level_dbfs());
        set(Figure::Latency, latency as f32 * 1_000.0 / self.rate);
        set(Figure::Erle, known(stats.erle_db));
        set(Figure::Delay, stats.delay_ms.unwrap_or(f32::NAN));
        set(Figure::Drift, known(stats.drift_ppm));
        set(Figure::DoubleTalk, known(stats.double_talk));
        set(Figure::Speech, known(stats.speech_probability));
        set(Figure::Input, known(stats.input_dbfs));
        set(Figure::Output, known(stats.output_dbfs));
        set(Figure::Gain, known(stats.gain_db));
        set(Figure::Noise, known(stats.noise_dbfs));
        &self.statistics
    }
}

/// Those stages with the settings that a telephone wants.
fn config(wanted: u32) -> Config {
    let has = |stage| wanted & stage != 0;
    let level = match (has(stages::NOISE_HIGH), has(stages::NOISE_MODERATE)) {
        (true, _) => NoiseLevel::High,
        (false, true) => NoiseLevel::Moderate,
        (false, false) => NoiseLevel::Low,
    };
    let engine = if has(stages::NEURAL) { NoiseEngine::Neural } else { NoiseEngine::Spectral };
    Config {
        high_pass: has(stages::HIGH_PASS).then(HighPass::default),
        echo: has(stages::ECHO).then(EchoCancellation::default),
        noise: has(stages::NOISE).then_some(NoiseSuppression { level, engine }),
        gain: has(stages::GAIN).then(GainControl::default),
    }
}

/// Cuts quanta of any size into frames; what comes out is one frame later.
struct Frames {
    processor: AudioProcessor,
    near: Vec<f32>,
    far: Vec<f32>,
    out: Vec<f32>,
    /// Samples of the frame that is being filled.
    filled: usize,
}

impl Frames {
    fn new(processor: AudioProcessor) -> Frames {
        let frame = || vec![0.0; processor.frame_len()];
        Frames { near: frame(), far: frame(), out: frame(), filled: 0, processor }
    }

    fn clear(&mut self) {
        self.processor.reset();
        self.out.fill(0.0);
        self.filled = 0;
    }

    fn latency(&self) -> usize {
        self.near.len() + self.processor.latency()
    }

    /// Three slices of one length.
    fn process(&mut self, near: &[f32], far: &[f32], out: &mut [f32]) {
        let mut done = 0;
        while done < near.len() {
            let part = (near.len() - done).min(self.near.len() - self.filled);
            let (place, piece) = (self.filled..self.filled + part, done..done + part);
            self.near[place.clone()].copy_from_slice(&near[piece.clone()]);
            self.far[place.clone()].copy_from_slice(&far[piece.clone()]);
            out[piece].copy_from_slice(&self.out[place]);
            self.filled += part;
            done += part;
            if self.filled == self.near.len() {
                self.filled = 0;
                // The frames are as long as the processor wants them: neither can be refused.
                let _ = self.processor.process_render(&self.far);
                let _ = self.processor.process_capture(&self.near, &mut self.out);
            }
        }
    }
}
