//! One microphone's chain between a host that speaks in quanta and a processor that works in frames.

use soft_phone_dsp::host::{Figure, stages};
use soft_phone_dsp::{
    AudioProcessor, Config, EchoCancellation, FrameAdapter, GainControl, HighPass, LevelMeter, Network, NoiseEngine,
    NoiseLevel, NoiseSuppression, Stats,
};

/// The largest file of weights that is looked at, bytes.
const NETWORK_MOST: usize = 1 << 20;

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
    adapter: FrameAdapter,
    state: State,
    /// What the host asked for, whether or not it could be had.
    wanted: u32,
    /// Where the host writes a network's file.
    file: Vec<u8>,
}

/// Whether the processor is needed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// All stages are off: what goes in comes out, at once.
    Off,
    /// From the next quantum on, whose size tells how little delay there need be.
    Begins,
    On,
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
            adapter: FrameAdapter::new(processor, 0),
            state: State::Off,
            wanted: 0,
            file: Vec::new(),
        })
    }

    /// False when there is no such stage.
    pub(crate) fn configure(&mut self, wanted: u32) -> bool {
        let neural = self.adapter.processor().has_network();
        if wanted & !stages::ALL != 0 || self.adapter.processor_mut().set_config(config(wanted, neural)).is_err() {
            return false;
        }
        self.wanted = wanted;
        self.state = match self.state {
            _ if wanted == 0 => State::Off,
            State::Off => State::Begins,
            state => state,
        };
        true
    }

    /// Room for a network's file; `None` for one that is larger than any.
    pub(crate) fn network_room(&mut self, bytes: usize) -> Option<*mut u8> {
        if bytes > NETWORK_MOST {
            return None;
        }
        self.file = vec![0; bytes];
        Some(self.file.as_mut_ptr())
    }

    /// Reads what the host wrote there, and begins to use it where it was asked for; false when that is no network.
    pub(crate) fn network_written(&mut self) -> bool {
        let Ok(network) = Network::from_bytes(&std::mem::take(&mut self.file)) else { return false };
        self.adapter.processor_mut().set_network(network);
        self.configure(self.wanted)
    }

    pub(crate) fn process(&mut self, samples: usize) -> usize {
        let taken = samples.min(CAPACITY);
        let (microphone, far_end, output) =
            (&self.microphone[..taken], &self.far_end[..taken], &mut self.output[..taken]);
        self.meter.process(microphone);
        if self.state == State::Begins && taken > 0 {
            self.adapter.restart(taken);
            self.state = State::On;
        }
        if self.state == State::On {
            // The three are equally long: they cannot be refused.
            let _ = self.adapter.process(far_end, microphone, output);
        } else {
            output.copy_from_slice(microphone);
        }
        taken
    }

    pub(crate) fn statistics(&mut self) -> &[f32] {
        let on = self.state != State::Off;
        let stats = if on { self.adapter.processor().stats() } else { Stats::default() };
        let latency = if on { self.adapter.latency() } else { 0 };
        let known = |value: f32| if on { value } else { f32::NAN };
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
        let noise = self.adapter.processor().config().noise;
        set(Figure::Neural, noise.map_or(f32::NAN, |noise| f32::from(u8::from(noise.engine == NoiseEngine::Neural))));
        &self.statistics
    }
}

/// Those stages with the settings that a telephone wants; the spectral engine as long as the neural one has no weights.
fn config(wanted: u32, has_network: bool) -> Config {
    let has = |stage| wanted & stage != 0;
    let level = match (has(stages::NOISE_HIGH), has(stages::NOISE_MODERATE)) {
        (true, _) => NoiseLevel::High,
        (false, true) => NoiseLevel::Moderate,
        (false, false) => NoiseLevel::Low,
    };
    let engine = if has(stages::NEURAL) && has_network { NoiseEngine::Neural } else { NoiseEngine::Spectral };
    Config {
        high_pass: has(stages::HIGH_PASS).then(HighPass::default),
        echo: has(stages::ECHO).then(EchoCancellation::default),
        noise: has(stages::NOISE).then_some(NoiseSuppression { level, engine }),
        gain: has(stages::GAIN).then(GainControl::default),
    }
}
