//! The voice engine beside a call: a handle on what `js/graph.js` builds of Web Audio.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use js_sys::{Float32Array, Function, Promise};
use soft_phone_dsp::host::Figure;
use soft_phone_sip::Instant;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{MediaStream, MediaStreamTrack};

use super::processing::{Event, Overloaded};
use crate::{clock, js};

/// How long an overload is remembered: the next calls of a machine that is too slow, or too busy, spare themselves
/// the second in which it shows.
const REMEMBERED: Duration = Duration::from_secs(600);

thread_local! {
    static LOADER: RefCell<Option<Function>> = const { RefCell::new(None) };
    /// When the engine, and when the neural one, did not keep up.
    static OVERLOADED: Cell<[Option<Instant>; 2]> = const { Cell::new([None; 2]) };
}

/// Tells how to load `graph.js`: `() => Promise<module>`.
pub fn set_loader(loader: Function) {
    LOADER.replace(Some(loader));
}

/// Whether this browser has what the engine needs.
pub fn is_possible() -> bool {
    let window = web_sys::window().map_or(JsValue::NULL, JsValue::from);
    !js::get(&window, "AudioWorkletNode").is_undefined()
}

/// The engine did not keep up, or the `neural` one alone.
pub fn note_overload(neural: bool) {
    let mut at = OVERLOADED.get();
    at[usize::from(neural)] = Some(clock::now());
    OVERLOADED.set(at);
}

/// What did not keep up a short while ago.
pub fn overloaded() -> Overloaded {
    let [engine, neural] = OVERLOADED.get().map(|at| at.is_some_and(|at| clock::now() < at + REMEMBERED));
    Overloaded { engine, neural }
}

/// Loads the engine ahead of its use.
pub fn prepare() {
    spawn_local(async {
        if let Some(module) = module().await
            && let Some(prepared) = js::call(&module, "prepare", &[])
        {
            // Who needs it learns that it cannot be had.
            let _ = JsFuture::from(prepared.unchecked_into::<Promise>()).await;
        }
    });
}

/// What a graph tells.
pub enum Report {
    /// Something for the ladder, and why.
    Event(Event, Option<String>),
    /// The engine's figures, see [`Figure`], and its share of real time.
    Statistics(Vec<f32>, f64),
}

/// A microphone on its way through the engine. Dropped, it lets go of the stream.
pub struct Graph(Rc<State>);

struct State {
    dropped: Cell<bool>,
    /// `None` until everything is loaded.
    node: RefCell<Option<JsValue>>,
    /// What it is to be when it is loaded.
    microphone: RefCell<MediaStream>,
    stages: Cell<u32>,
    heard: RefCell<Option<MediaStream>>,
    enabled: Cell<bool>,
    report: Rc<dyn Fn(Report)>,
}

impl Graph {
    /// Leads `microphone` through the engine with these stages. Everything that comes of it is reported, and never from
    /// within this call.
    pub fn attach(microphone: &MediaStream, stages: u32, report: impl Fn(Report) + 'static) -> Graph {
        let state = Rc::new(State {
            dropped: Cell::new(false),
            node: RefCell::new(None),
            microphone: RefCell::new(Clone::clone(microphone)),
            stages: Cell::new(stages),
            heard: RefCell::new(None),
            enabled: Cell::new(true),
            report: Rc::new(report),
        });
        let graph = state.clone();
        spawn_local(async move {
            if let Err(error) = graph.load().await {
                let reason = js::get(&error, "message").as_string();
                (graph.report)(Report::Event(Event::Failed, reason));
            }
        });
        Graph(state)
    }

    /// Takes another microphone; false where the browser cannot bring it to the engine, as Firefox cannot for one of
    /// another sample rate.
    pub fn listen(&self, microphone: &MediaStream) -> bool {
        self.0.microphone.replace(Clone::clone(microphone));
        self.0.call("use", microphone)
    }

    /// The loudspeaker plays this stream.
    pub fn hear(&self, remote: &MediaStream) {
        self.0.heard.replace(Some(Clone::clone(remote)));
        self.0.call("hear", remote);
    }

    /// The loudspeaker plays this stream no more.
    pub fn deafen(&self, remote: &MediaStream) {
        self.0.heard.take();
        self.0.call("deafen", remote);
    }

    /// Runs these stages from now on.
    pub fn configure(&self, stages: u32) {
        self.0.stages.set(stages);
        self.0.call("configure", &stages.into());
    }

    /// Cuts the sound off or lets it through.
    pub fn set_enabled(&self, enabled: bool) {
        self.0.enabled.set(enabled);
        if let Some(track) = self.track() {
            track.set_enabled(enabled);
        }
    }

    /// Tries again to run, after a gesture of the user.
    pub fn resume(&self) {
        self.0.call("resume", &JsValue::UNDEFINED);
    }

    /// What comes out, once it is loaded.
    pub fn stream(&self) -> Option<MediaStream> {
        self.0.stream()
    }

    /// Its one track.
    pub fn track(&self) -> Option<MediaStreamTrack> {
        self.stream()?.get_audio_tracks().get(0).dyn_into().ok()
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        self.0.dropped.set(true);
        self.0.release();
    }
}

impl State {
    async fn load(self: &Rc<Self>) -> Result<(), JsValue> {
        let module = module().await.ok_or(JsValue::UNDEFINED)?;
        if self.dropped.get() {
            return Ok(());
        }
        let state = Rc::downgrade(self);
        let report = Closure::<dyn FnMut(JsValue, JsValue, JsValue)>::new(
            move |event: JsValue, detail: JsValue, share: JsValue| {
                if let Some(state) = state.upgrade().filter(|state| !state.dropped.get())
                    && let Some(report) = read(&event, &detail, &share)
                {
                    (state.report)(report);
                }
            },
        );
        // Not `.clone()`: that is the browser's own method, which opens the microphone a second time.
        let (microphone, stages) = (Clone::clone(&*self.microphone.borrow()), self.stages.get());
        let attach: Function = js::get(&module, "attach").dyn_into()?;
        // The closure is the node's: the browser's collector frees it with that.
        let attached = attach.call3(&module, &microphone, &stages.into(), &report.into_js_value())?;
        self.node.replace(Some(JsFuture::from(attached.unchecked_into::<Promise>()).await?));
        if self.dropped.get() {
            self.release();
            return Ok(());
        }
        // What was asked of it meanwhile.
        let now: MediaStream = Clone::clone(&*self.microphone.borrow());
        if now != microphone && !self.call("use", &now) {
            return Err(JsValue::UNDEFINED);
        }
        self.call("configure", &self.stages.get().into());
        let heard = self.heard.borrow().clone();
        if let Some(heard) = heard {
            self.call("hear", &heard);
        }
        if let Some(stream) = self.stream() {
            let track: MediaStreamTrack = stream.get_audio_tracks().get(0).dyn_into()?;
            track.set_enabled(self.enabled.get());
        }
        self.call("start", &JsValue::UNDEFINED);
        Ok(())
    }

    fn stream(&self) -> Option<MediaStream> {
        self.node.borrow().as_ref().map(|node| js::get(node, "stream").unchecked_into())
    }

    /// Calls a method of the node; false when that throws. One that is not loaded yet hears of it later.
    fn call(&self, name: &str, argument: &JsValue) -> bool {
        let Some(node) = self.node.borrow().clone() else { return true };
        js::get(&node, name).dyn_into::<Function>().is_ok_and(|method| method.call1(&node, argument).is_ok())
    }

    fn release(&self) {
        self.call("release", &JsValue::UNDEFINED);
        self.node.take();
    }
}

/// The module, imported with its first use; `None` when it cannot be.
pub async fn module() -> Option<JsValue> {
    let loader = LOADER.with_borrow(Clone::clone)?;
    let loading = loader.call0(&JsValue::UNDEFINED).ok()?;
    JsFuture::from(loading.unchecked_into::<Promise>()).await.ok()
}

fn read(event: &JsValue, detail: &JsValue, share: &JsValue) -> Option<Report> {
    let event = match event.as_string()?.as_str() {
        "statistics" => {
            let figures = detail.dyn_ref::<Float32Array>()?.to_vec();
            return Some(Report::Statistics(figures, share.as_f64().unwrap_or_default()));
        }
        "running" => Event::Running,
        "blocked" => Event::Blocked,
        "overload" => Event::Overload,
        "lacks" => Event::NoNetwork,
        _ => Event::Failed,
    };
    Some(Report::Event(event, detail.as_string()))
}

/// One of the figures; `None` where it is not known.
pub fn figure(figures: &[f32], figure: Figure) -> Option<f32> {
    figures.get(figure as usize).copied().filter(|value| value.is_finite())
}
