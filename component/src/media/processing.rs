//! What is wanted done to the microphone's sound, and the ladder of who does it. No browser in here.
//!
//! ```text
//!              ┌───────────── Running ─────────────┐
//!              │                                   ▼
//!  Loading ────┼─ Blocked ─► Blocked ─ Running ─► Rust ─ Blocked ─► Blocked
//!              │                │                  │
//!              └─ Failed ───────┴───────┬──────────┘ Failed, Overload
//!                                       ▼
//!  Off: nobody wants Rust            GivenUp: the browser's own, until the call ends
//! ```
//! With the neural engine the first overload, and a network that cannot be had, give up that alone: the spectral engine
//! takes its place.
//!
//! While it loads, the microphone is sent as it is; nobody is silent on any rung.

use soft_phone_dsp::host::stages;

use crate::state::Engine;

/// Who is to process the sound: the attribute `processing`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Ours where the browser can run it and keeps up, else the browser's.
    #[default]
    Auto,
    /// Ours, tried anew with each call.
    Rust,
    /// The browser's.
    Browser,
    /// Nobody.
    Off,
}

/// How noise is suppressed: the attribute `noise-suppression`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Noise {
    /// By 6 dB.
    Low,
    /// By 12 dB.
    #[default]
    Moderate,
    /// By 20 dB.
    High,
    /// By the network, whose weights are loaded for it.
    Neural,
}

impl Noise {
    /// The attribute's word; the default for any other.
    pub fn from_attribute(word: &str) -> Noise {
        let words = [("low", Noise::Low), ("high", Noise::High), ("neural", Noise::Neural)];
        let known = words.into_iter().find(|(known, _)| word.trim().eq_ignore_ascii_case(known));
        known.map_or(Noise::Moderate, |(_, noise)| noise)
    }

    fn stages(self) -> u32 {
        stages::NOISE
            | match self {
                Noise::Low => 0,
                Noise::Moderate => stages::NOISE_MODERATE,
                Noise::High => stages::NOISE_HIGH,
                Noise::Neural => stages::NOISE_HIGH | stages::NEURAL,
            }
    }
}

/// What did not keep up a short while ago.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overloaded {
    /// Our engine.
    pub engine: bool,
    /// The neural one.
    pub neural: bool,
}

/// What the attributes say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Processing {
    /// Who.
    pub mode: Mode,
    /// `no-echo-cancellation`.
    pub no_echo: bool,
    /// `no-noise-suppression`.
    pub no_noise: bool,
    /// `noise-suppression`.
    pub noise: Noise,
    /// `no-auto-gain`.
    pub no_gain: bool,
}

/// What the browser is to do to the microphone itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capture {
    /// `echoCancellation`.
    pub echo: bool,
    /// `noiseSuppression`.
    pub noise: bool,
    /// `autoGainControl`.
    pub gain: bool,
}

impl Mode {
    /// The attribute's word; the default for any other.
    pub fn from_attribute(word: Option<&str>) -> Mode {
        match word.map(str::trim) {
            Some(word) if word.eq_ignore_ascii_case("rust") => Mode::Rust,
            Some(word) if word.eq_ignore_ascii_case("browser") => Mode::Browser,
            Some(word) if word.eq_ignore_ascii_case("off") => Mode::Off,
            _ => Mode::Auto,
        }
    }
}

impl Processing {
    /// The engine's stages, as `engine_configure` takes them.
    fn stages(self) -> u32 {
        let switch = |off: bool, stage: u32| if off { 0 } else { stage };
        stages::HIGH_PASS
            | switch(self.no_echo, stages::ECHO)
            | switch(self.no_noise, self.noise.stages())
            | switch(self.no_gain, stages::GAIN)
    }
}

/// What happens to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It runs.
    Running,
    /// The browser lets no sound be processed before a click or a key on the page.
    Blocked,
    /// It does not keep up.
    Overload,
    /// It cannot be had, or broke.
    Failed,
    /// There is no neural engine.
    NoNetwork,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rung {
    Off,
    Loading,
    Rust,
    Blocked,
    GivenUp,
}

/// Where one call stands on the ladder.
#[derive(Clone, Copy, Debug)]
pub struct Ladder {
    processing: Processing,
    rung: Rung,
    /// The neural engine is given up until it is asked for anew.
    spectral: bool,
}

impl Ladder {
    /// At the beginning of a call; what did not keep up a short while ago is tried only when it is told to be used.
    pub fn new(processing: Processing, overloaded: Overloaded) -> Ladder {
        let rung = match processing.mode {
            Mode::Auto if overloaded.engine => Rung::GivenUp,
            Mode::Auto | Mode::Rust => Rung::Loading,
            Mode::Browser | Mode::Off => Rung::Off,
        };
        Ladder { processing, rung, spectral: overloaded.neural && processing.mode == Mode::Auto }
    }

    /// Something happened; true when that changes what is to be done.
    pub fn handle(&mut self, event: Event) -> bool {
        if event == Event::NoNetwork || (event == Event::Overload && self.is_neural()) {
            return self.rung != Rung::GivenUp && !std::mem::replace(&mut self.spectral, true);
        }
        let next = match (self.rung, event) {
            (Rung::Loading | Rung::Blocked | Rung::Rust, Event::Running) => Rung::Rust,
            (Rung::Loading | Rung::Rust | Rung::Blocked, Event::Blocked) => Rung::Blocked,
            (Rung::Loading | Rung::Blocked | Rung::Rust, Event::Failed) | (Rung::Rust, Event::Overload) => {
                Rung::GivenUp
            }
            // Nothing is expected of an engine that only measures, or does not run yet.
            (Rung::Off | Rung::GivenUp, _) | (_, Event::Overload | Event::NoNetwork) => self.rung,
        };
        std::mem::replace(&mut self.rung, next) != next
    }

    /// The attributes changed in mid-call; true when that changes what is to be done. `runs`: there is an engine that
    /// runs already.
    pub fn set_processing(&mut self, processing: Processing, runs: bool) -> bool {
        if processing == self.processing {
            return false;
        }
        let wanted = matches!(processing.mode, Mode::Auto | Mode::Rust);
        let asked_anew = processing.mode != self.processing.mode;
        if asked_anew || processing.noise != self.processing.noise {
            self.spectral = false;
        }
        self.rung = match self.rung {
            _ if !wanted => Rung::Off,
            Rung::Off | Rung::GivenUp if asked_anew && runs => Rung::Rust,
            Rung::Off | Rung::GivenUp if asked_anew => Rung::Loading,
            rung => rung,
        };
        self.processing = processing;
        true
    }

    /// Whether the engine is to be loaded for more than the meter.
    pub fn wants_engine(&self) -> bool {
        matches!(self.rung, Rung::Loading | Rung::Rust | Rung::Blocked)
    }

    /// Whether what the engine gives is sent, when the microphone is open as it wants it.
    pub fn is_rust(&self) -> bool {
        self.rung == Rung::Rust
    }

    /// Whether the neural engine is wanted of the engine that runs.
    fn is_neural(&self) -> bool {
        self.is_rust() && self.stages() & stages::NEURAL != 0
    }

    /// How the page is told.
    pub fn engine(&self) -> Engine {
        if self.is_rust() { Engine::Rust } else { Engine::Browser }
    }

    /// How the microphone is to be opened.
    pub fn capture(&self) -> Capture {
        let Processing { mode, no_echo, no_noise, no_gain, .. } = self.processing;
        match self.rung {
            Rung::Loading | Rung::Rust => Capture::default(),
            Rung::Off if mode == Mode::Off => Capture::default(),
            Rung::Off | Rung::Blocked | Rung::GivenUp => Capture { echo: !no_echo, noise: !no_noise, gain: !no_gain },
        }
    }

    /// The stages that the engine is to run now: none where it only measures the level.
    pub fn stages(&self) -> u32 {
        let without = if self.spectral { stages::NEURAL } else { 0 };
        if matches!(self.rung, Rung::Loading | Rung::Rust) { self.processing.stages() & !without } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Capture = Capture { echo: true, noise: true, gain: true };
    const NONE: Capture = Capture { echo: false, noise: false, gain: false };

    fn ladder(mode: Mode) -> Ladder {
        Ladder::new(Processing { mode, ..Processing::default() }, Overloaded::default())
    }

    fn neural(mode: Mode, overloaded: Overloaded) -> Ladder {
        let processing = Processing { mode, noise: Noise::Neural, ..Processing::default() };
        let mut ladder = Ladder::new(processing, overloaded);
        ladder.handle(Event::Running);
        ladder
    }

    #[test]
    fn the_engine_gets_the_microphone_raw_and_the_browser_processes_without_it() {
        for mode in [Mode::Auto, Mode::Rust] {
            let mut ladder = ladder(mode);
            assert_eq!((ladder.capture(), ladder.engine()), (NONE, Engine::Browser));
            assert!(ladder.handle(Event::Running));
            assert_eq!((ladder.capture(), ladder.engine()), (NONE, Engine::Rust));
            assert_ne!(ladder.stages() & stages::ECHO, 0);
            assert!(!ladder.handle(Event::Running));
        }
        let browser = ladder(Mode::Browser);
        assert_eq!((browser.capture(), browser.stages(), browser.wants_engine()), (ALL, 0, false));
        let off = ladder(Mode::Off);
        assert_eq!((off.capture(), off.stages(), off.wants_engine()), (NONE, 0, false));
    }

    #[test]
    fn what_fails_or_does_not_keep_up_is_given_up_for_the_call() {
        for event in [Event::Overload, Event::Failed] {
            let mut ladder = ladder(Mode::Auto);
            ladder.handle(Event::Running);
            assert!(ladder.handle(event));
            assert_eq!((ladder.capture(), ladder.stages(), ladder.engine()), (ALL, 0, Engine::Browser));
            for later in [Event::Running, Event::Blocked, Event::Overload, Event::Failed] {
                assert!(!ladder.handle(later), "{later:?}");
            }
        }
        let mut never = ladder(Mode::Auto);
        assert!(never.handle(Event::Failed));
        assert_eq!(never.capture(), ALL);
    }

    #[test]
    fn a_blocked_context_is_waited_for_on_the_native_rung() {
        let mut ladder = ladder(Mode::Auto);
        assert!(ladder.handle(Event::Blocked));
        assert_eq!((ladder.capture(), ladder.engine(), ladder.wants_engine()), (ALL, Engine::Browser, true));
        assert!(!ladder.handle(Event::Overload));
        assert!(ladder.handle(Event::Running));
        assert_eq!((ladder.capture(), ladder.engine()), (NONE, Engine::Rust));
        assert!(ladder.handle(Event::Blocked));
        assert_eq!(ladder.capture(), ALL);
    }

    #[test]
    fn an_overload_is_remembered_by_auto_only() {
        let engine = Overloaded { engine: true, neural: true };
        let overloaded = |mode| Ladder::new(Processing { mode, ..Processing::default() }, engine);
        assert!(!overloaded(Mode::Auto).wants_engine());
        assert_eq!(overloaded(Mode::Auto).capture(), ALL);
        assert!(overloaded(Mode::Rust).wants_engine());
        let network = Overloaded { neural: true, ..Overloaded::default() };
        assert!(neural(Mode::Auto, network).is_rust() && !neural(Mode::Auto, network).is_neural());
        assert!(neural(Mode::Rust, network).is_neural());
    }

    #[test]
    fn an_overload_takes_the_network_first_and_the_engine_then() {
        let mut ladder = neural(Mode::Auto, Overloaded::default());
        assert!(ladder.is_neural());
        assert!(ladder.handle(Event::Overload));
        assert!(ladder.is_rust() && !ladder.is_neural());
        assert_eq!(ladder.stages() & (stages::NOISE | stages::NOISE_HIGH), stages::NOISE | stages::NOISE_HIGH);
        assert!(ladder.handle(Event::Overload));
        assert_eq!((ladder.capture(), ladder.engine()), (ALL, Engine::Browser));
    }

    #[test]
    fn without_its_network_the_engine_goes_on_until_it_is_asked_anew() {
        let mut ladder = neural(Mode::Auto, Overloaded::default());
        assert!(ladder.handle(Event::NoNetwork) && !ladder.handle(Event::NoNetwork));
        assert!(ladder.is_rust() && !ladder.is_neural());
        let other = |noise| Processing { noise, ..Processing::default() };
        assert!(ladder.set_processing(other(Noise::Low), true) && !ladder.is_neural());
        assert!(ladder.set_processing(other(Noise::Neural), true) && ladder.is_neural());
        // What is not suppressed needs no network.
        assert!(ladder.set_processing(Processing { no_noise: true, ..other(Noise::Neural) }, true));
        assert!(ladder.is_rust() && !ladder.is_neural());
    }

    #[test]
    fn switches_count_in_each_mode() {
        let some = |mode| Processing { mode, no_echo: true, no_gain: true, ..Processing::default() };
        let none = Overloaded::default();
        let mut rust = Ladder::new(some(Mode::Rust), none);
        rust.handle(Event::Running);
        assert_eq!(rust.stages() & (stages::ECHO | stages::NOISE | stages::GAIN), stages::NOISE);
        let browser = Ladder::new(some(Mode::Browser), none);
        assert_eq!(browser.capture(), Capture { echo: false, noise: true, gain: false });
        rust.handle(Event::Failed);
        assert_eq!(rust.capture(), Capture { echo: false, noise: true, gain: false });
    }

    #[test]
    fn attributes_may_change_in_mid_call() {
        let mut ladder = ladder(Mode::Browser);
        let rust = Processing { mode: Mode::Rust, ..Processing::default() };
        assert!(!ladder.set_processing(Processing { mode: Mode::Browser, ..rust }, true));
        assert!(ladder.set_processing(rust, true));
        assert!(ladder.is_rust());
        let quiet = Processing { no_noise: true, ..rust };
        assert!(ladder.set_processing(quiet, true));
        assert!(ladder.is_rust() && ladder.stages() & stages::NOISE == 0);
        assert!(ladder.set_processing(Processing { mode: Mode::Off, ..quiet }, true));
        assert_eq!((ladder.capture(), ladder.engine()), (NONE, Engine::Browser));
        assert!(ladder.set_processing(rust, false));
        assert!(ladder.wants_engine() && !ladder.is_rust());
        // A switch alone is no new try for an engine that was given up.
        ladder.handle(Event::Failed);
        assert!(ladder.set_processing(quiet, true));
        assert!(!ladder.wants_engine());
    }

    #[test]
    fn words_of_the_attribute() {
        for (word, mode) in [("rust", Mode::Rust), (" OFF ", Mode::Off), ("Browser", Mode::Browser)] {
            assert_eq!(Mode::from_attribute(Some(word)), mode);
        }
        for word in [None, Some("auto"), Some(""), Some("wasm")] {
            assert_eq!(Mode::from_attribute(word), Mode::Auto);
        }
        for (word, noise) in [("low", Noise::Low), (" High", Noise::High), ("neural", Noise::Neural)] {
            assert_eq!(Noise::from_attribute(word), noise);
        }
        for word in ["", "moderate", "rnnoise"] {
            assert_eq!(Noise::from_attribute(word), Noise::Moderate);
        }
    }
}
