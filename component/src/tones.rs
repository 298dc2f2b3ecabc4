//! Ring tone, ring-back and busy tone, made by Web Audio: no files.
//!
//! One period of each tone is computed and looped by the browser, so that it keeps its rhythm in a hidden tab, where
//! timers are slowed down.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use wasm_bindgen::JsValue;
use web_sys::{
    AudioBufferSourceNode, AudioContext, AudioContextState, HtmlAudioElement, MediaStreamAudioDestinationNode,
};

use crate::clock::Timer;
use crate::listener::Listener;
use crate::media::devices;

mod wave;

/// How long a context that was told to run may take until the browser counts as blocking it, ms.
const START_LIMIT_MS: u64 = 500;

/// What the user hears besides voices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// A call comes in.
    Ring,
    /// The far end rings (ITU-T E.180: 425 Hz, 1 s on, 4 s off).
    RingBack,
    /// The far end is busy (ITU-T E.180: 425 Hz, 0.4 s on, 0.4 s off).
    Busy,
}

/// Plays at most one tone.
pub struct Tones {
    inner: Rc<Inner>,
}

struct Inner {
    on_blocked: Rc<dyn Fn(bool)>,
    blocked: Cell<bool>,
    /// The context was resumed in a click once: some browsers want that before they let it run later.
    unlocked: Cell<bool>,
    context: RefCell<Option<Context>>,
    playing: RefCell<Option<(Tone, AudioBufferSourceNode)>>,
    /// For the ring tone, for the others.
    devices: RefCell<[String; 2]>,
    /// Carries a tone to another loudspeaker than the system's: contexts that can be sent there are Chromium's only.
    carrier: RefCell<Option<HtmlAudioElement>>,
    /// Fires [`START_LIMIT_MS`] after a tone began.
    check: RefCell<Option<Timer>>,
}

struct Context {
    audio: AudioContext,
    _state: Listener,
}

impl Tones {
    /// `on_blocked` is told `true` when a tone should sound and the browser lets none through before a click, and
    /// `false` when it sounds or is no longer wanted. It is called with no borrow held.
    pub fn new(on_blocked: Rc<dyn Fn(bool)>) -> Tones {
        Tones {
            inner: Rc::new(Inner {
                on_blocked,
                blocked: Cell::new(false),
                unlocked: Cell::new(false),
                context: RefCell::new(None),
                playing: RefCell::new(None),
                devices: RefCell::default(),
                carrier: RefCell::new(None),
                check: RefCell::new(None),
            }),
        }
    }

    /// Where the ring tone, and where the other tones sound from the next one on; empty: the system's loudspeaker.
    pub fn set_devices(&self, ringer: &str, speaker: &str) {
        for (known, wanted) in self.inner.devices.borrow_mut().iter_mut().zip([ringer, speaker]) {
            if known != wanted {
                wanted.clone_into(known);
            }
        }
    }

    /// Plays this tone from its beginning, or none. The tone that already plays goes on. A browser without Web
    /// Audio stays silent.
    pub fn set(&self, tone: Option<Tone>) {
        if self.inner.playing.borrow().as_ref().map(|(tone, _)| *tone) == tone {
            return;
        }
        self.inner.stop();
        if let Some(tone) = tone {
            if let Ok(source) = Inner::start(&self.inner, tone) {
                self.inner.playing.replace(Some((tone, source)));
                Inner::watch(&self.inner);
            }
        } else {
            self.inner.report(false);
        }
    }

    /// To be called in a click or a key press: lets this and later tones sound.
    pub fn unlock(&self) {
        let silent = self.inner.playing.borrow().is_none();
        if self.inner.unlocked.replace(true) && (silent || self.inner.sounds()) {
            return;
        }
        if let Some(audio) = Inner::audio(&self.inner) {
            // The promise waits for permission; the state's change tells the outcome.
            let _ = audio.resume();
            if silent {
                let _ = audio.suspend();
            }
        }
    }
}

impl Drop for Tones {
    fn drop(&mut self) {
        self.inner.stop();
        if let Some(context) = self.inner.context.take() {
            let _ = context.audio.close();
        }
    }
}

impl Inner {
    /// The context, made when it is first needed.
    fn audio(this: &Rc<Inner>) -> Option<AudioContext> {
        if let Some(context) = this.context.borrow().as_ref() {
            return Some(context.audio.clone());
        }
        let audio = AudioContext::new().ok()?;
        let weak = Rc::downgrade(this);
        let state = Listener::new(&audio, "statechange", move |_| {
            if let Some(inner) = weak.upgrade()
                && inner.sounds()
            {
                inner.report(false);
            }
        });
        this.context.replace(Some(Context { audio: audio.clone(), _state: state }));
        Some(audio)
    }

    fn start(this: &Rc<Inner>, tone: Tone) -> Result<AudioBufferSourceNode, JsValue> {
        let audio = Inner::audio(this).ok_or(JsValue::UNDEFINED)?;
        let wave = wave::period(tone);
        let buffer = audio.create_buffer(1, wave.len() as u32, wave::RATE as f32)?;
        buffer.copy_to_channel(&wave, 0)?;
        let source = audio.create_buffer_source()?;
        source.set_buffer(Some(&buffer));
        source.set_loop(true);
        let device = this.devices.borrow()[usize::from(tone != Tone::Ring)].clone();
        if device.is_empty() {
            source.connect_with_audio_node(&audio.destination())?;
        } else {
            let end = MediaStreamAudioDestinationNode::new(&audio)?;
            source.connect_with_audio_node(&end)?;
            let carrier = HtmlAudioElement::new()?;
            devices::route(&carrier, &device);
            carrier.set_src_object(Some(&end.stream()));
            let _ = carrier.play()?;
            this.carrier.replace(Some(carrier));
        }
        source.start()?;
        let _ = audio.resume();
        Ok(source)
    }

    /// Looks a little later whether the tone came through.
    fn watch(this: &Rc<Inner>) {
        let weak = Rc::downgrade(this);
        let check = Timer::new(START_LIMIT_MS, move || {
            if let Some(inner) = weak.upgrade() {
                let silent = inner.playing.borrow().is_some() && !inner.sounds();
                inner.report(silent);
            }
        });
        this.check.replace(check);
    }

    fn stop(&self) {
        self.check.take();
        if let Some((_, source)) = self.playing.take() {
            let _ = source.disconnect();
        }
        if let Some(carrier) = self.carrier.take() {
            carrier.set_src_object(None);
        }
        // An idle context would keep the sound card awake.
        if let Some(context) = self.context.borrow().as_ref() {
            let _ = context.audio.suspend();
        }
    }

    fn sounds(&self) -> bool {
        self.context.borrow().as_ref().is_some_and(|context| context.audio.state() == AudioContextState::Running)
    }

    fn report(&self, blocked: bool) {
        if self.blocked.replace(blocked) != blocked {
            (self.on_blocked)(blocked);
        }
    }
}
