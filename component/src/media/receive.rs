//! What is received, played by our own jitter buffer and decoders: a handle on what `js/receive.js` builds.
//!
//! ```text
//! network ─► rx-worker ─┬─► the browser's jitter buffer ──────────► native stream ─┬─► <audio>, far-end reference
//!                       └─► worklet (jitter buffer, decoder) ─► our stream ────────┘   one of the two
//! ```
//! The browser's goes on beside ours, so that it can be heard again at once.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Float32Array, Function, Promise};
use soft_phone_dsp::host::ReceiveFigure;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{MediaStream, RtcRtpReceiver, RtcRtpTransceiver};

use super::{Inner, Report, Session, graph};
use crate::js;
use crate::state::Engine;

/// Who buffers and conceals what is received: the attribute `jitter-buffer`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// As it was measured to be better: ours in Chromium, the browser's elsewhere.
    #[default]
    Auto,
    /// Ours where the browser can run it, keeps up and lets frames be seen, tried anew with each call.
    Rust,
    /// The browser's.
    Browser,
}

impl Mode {
    /// The attribute's word; the default for any other.
    pub fn from_attribute(word: Option<&str>) -> Mode {
        match word.map(str::trim) {
            Some(word) if word.eq_ignore_ascii_case("rust") => Mode::Rust,
            Some(word) if word.eq_ignore_ascii_case("browser") => Mode::Browser,
            _ => Mode::Auto,
        }
    }

    /// Whether ours is to play.
    fn is_rust(self) -> bool {
        match self {
            Mode::Auto => is_chromium(),
            Mode::Rust => true,
            Mode::Browser => false,
        }
    }

    /// Whether a connection must be made so that its frames can be seen: in Chromium before 141 (`encodedInsertableStreams`).
    pub fn wants_streams(self) -> bool {
        let global = js_sys::global();
        let receivers = js::get(&js::get(&global, "RTCRtpReceiver"), "prototype");
        self.is_rust()
            && js::get(&global, "RTCRtpScriptTransform").is_undefined()
            && js::get(&receivers, "createEncodedStreams").is_function()
    }
}

/// Only Chromium tells who it is by this (User-Agent Client Hints), and everywhere that a microphone can be had.
fn is_chromium() -> bool {
    let navigator = js::get(&js_sys::global(), "navigator");
    !js::get(&navigator, "userAgentData").is_undefined()
}

/// How what is received is played in one call.
#[derive(Debug, Default)]
pub struct State {
    mode: Mode,
    /// The connection was made so that frames go through streams, or nowhere.
    streams: bool,
    /// What stands between network and loudspeaker, and the receiver that it was built for.
    path: Option<(RtcRtpReceiver, JsValue)>,
    /// It failed in this call.
    given_up: bool,
    /// Being heard.
    own: Option<MediaStream>,
    /// Figures as they were told last.
    figures: Vec<f32>,
    /// Share of real time.
    share: f64,
    /// Why the browser's is used where ours was wanted; empty when there is no reason.
    reason: String,
}

impl State {
    /// At the beginning of a call.
    pub fn new(mode: Mode) -> State {
        State { mode, streams: mode.wants_streams(), ..State::default() }
    }

    /// A figure of ours, while ours is heard.
    pub fn figure(&self, figure: ReceiveFigure) -> Option<f64> {
        self.own.as_ref()?;
        self.figures.get(figure as usize).copied().map(f64::from)
    }
}

impl Session {
    /// Buffers what is received otherwise, from now on. Ours can be had in mid-call where it was wanted when the far end's
    /// sound came; else with the next call.
    pub fn set_jitter_buffer(&self, mode: Mode) {
        let before = std::mem::replace(&mut self.0.receive.borrow_mut().mode, mode);
        if before == mode {
            return;
        }
        let mut state = self.0.receive.borrow_mut();
        state.reason.clear();
        state.given_up = false;
        drop(state);
        if mode.is_rust() {
            self.0.play_own();
        } else if let Some(path) = self.0.path() {
            js::call(&path, "stop", &[]);
            self.0.step_down("");
        }
    }

    /// Who buffers what is received.
    pub fn jitter_buffer(&self) -> Engine {
        if self.0.receive.borrow().own.is_some() { Engine::Rust } else { Engine::Browser }
    }

    /// What a ticket is told of it.
    pub fn diagnose_receive(&self) -> JsValue {
        let state = self.0.receive.borrow();
        let figure = |of| js::number_or_null(state.figure(of));
        js::object(&[
            ("jitterBuffer", self.jitter_buffer().as_str().into()),
            ("reason", js::text_or_null((!state.reason.is_empty()).then_some(state.reason.as_str()))),
            ("load", state.share.into()),
            ("delayMs", figure(ReceiveFigure::Delay)),
            ("targetMs", figure(ReceiveFigure::Target)),
            ("concealedShare", figure(ReceiveFigure::ConcealedOfAll)),
            ("stretchedShare", figure(ReceiveFigure::Stretched)),
            ("received", figure(ReceiveFigure::Received)),
            ("lost", figure(ReceiveFigure::Lost)),
            ("late", figure(ReceiveFigure::Late)),
            ("recovered", figure(ReceiveFigure::Recovered)),
            ("errors", figure(ReceiveFigure::Errors)),
        ])
        .into()
    }
}

impl Inner {
    fn path(&self) -> Option<JsValue> {
        self.receive.borrow().path.as_ref().map(|(_, path)| path.clone())
    }

    /// Loads what is needed before there is a receiver, where it is wanted: Chromium shows frames only to what is attached at
    /// once.
    pub(super) async fn prepare_receive(&self) {
        if self.receive.borrow().mode.is_rust() {
            // Whether it is there is seen when it is needed.
            let _ = load().await;
        }
    }

    /// There is a receiver, or its sound: lets its frames be seen, where that is wanted.
    pub(super) fn see_frames(self: &Rc<Self>, transceiver: &RtcRtpTransceiver, native: &MediaStream) {
        let receiver = transceiver.receiver();
        let state = self.receive.borrow();
        let known = state.path.as_ref().is_some_and(|(known, _)| *known == receiver);
        let (wanted, streams) = (state.mode.is_rust() || state.streams, state.streams);
        drop(state);
        if known || !wanted {
            self.play_own();
            return;
        }
        match self.attach_receive(transceiver, native) {
            Ok(path) => {
                self.receive.borrow_mut().path = Some((receiver, path));
                self.play_own();
            }
            Err(error) => {
                if streams {
                    pass_through(&transceiver.sender());
                    pass_through(&receiver);
                }
                let reason = js::get(&error, "message").as_string();
                self.step_down(&reason.unwrap_or_else(|| "it cannot be loaded".to_owned()));
            }
        }
    }

    fn attach_receive(
        self: &Rc<Self>,
        transceiver: &RtcRtpTransceiver,
        native: &MediaStream,
    ) -> Result<JsValue, JsValue> {
        let module = MODULE.with_borrow(Clone::clone).ok_or(JsValue::UNDEFINED)?;
        let inner = Rc::downgrade(self);
        let report = Closure::<dyn FnMut(JsValue, JsValue, JsValue)>::new(
            move |event: JsValue, detail: JsValue, share: JsValue| {
                if let Some(inner) = inner.upgrade().filter(|inner| !inner.closed.get()) {
                    inner.on_receive(&event, &detail, &share);
                }
            },
        );
        let attach: Function = js::get(&module, "attach").dyn_into()?;
        // The closure is the path's: the browser's collector frees it with that.
        attach.call3(&module, transceiver, native, &report.into_js_value())
    }

    /// Plays by our own jitter buffer, where frames are seen and the call has begun.
    pub(super) fn play_own(&self) {
        let Some(path) = self.path().filter(|_| self.told.get() && !self.closed.get()) else { return };
        let Some(description) = self.connection.remote_description() else { return };
        if !self.receive.borrow().mode.is_rust() || self.receive.borrow().given_up {
            return;
        }
        // An offer that has it may be answered with it; an answer that has it was.
        let opus = description.sdp().to_ascii_lowercase().contains(" opus/48000");
        js::call(&path, "play", &[opus.into()]);
    }

    /// After a gesture of the user.
    pub(super) fn resume_receive(&self) {
        if let Some(path) = self.path() {
            js::call(&path, "resume", &[]);
        }
    }

    /// Lets go of everything.
    pub(super) fn end_receive(&self) {
        if let Some((_, path)) = self.receive.take().path {
            js::call(&path, "release", &[]);
        }
    }

    /// What is heard: our stream, else the browser's.
    pub(super) fn heard(&self) -> Option<MediaStream> {
        let own = self.receive.borrow().own.clone();
        own.or_else(|| self.remote.borrow().as_ref().map(Clone::clone))
    }

    /// What packets wait, ms, and share that was concealed, 0 to 1, while ours is heard.
    pub(super) fn own_quality(&self) -> Option<(f64, f64)> {
        let state = self.receive.borrow();
        Some((state.figure(ReceiveFigure::Waited)?, state.figure(ReceiveFigure::Concealed)?))
    }

    /// Whether ours is heard.
    pub(super) fn plays_own(&self) -> bool {
        self.receive.borrow().own.is_some()
    }

    fn on_receive(self: &Rc<Self>, event: &JsValue, detail: &JsValue, share: &JsValue) {
        match event.as_string().unwrap_or_default().as_str() {
            "statistics" => {
                let mut state = self.receive.borrow_mut();
                state.figures = detail.dyn_ref::<Float32Array>().map(Float32Array::to_vec).unwrap_or_default();
                state.share = share.as_f64().unwrap_or_default();
            }
            "playing" => {
                let own: MediaStream = detail.clone().unchecked_into();
                let mut state = self.receive.borrow_mut();
                state.own = Some(own);
                state.reason.clear();
                drop(state);
                // Ours goes to the loudspeaker's bus by itself, sample by sample.
                if let (Some(graph), Some(native)) = (&*self.graph.borrow(), &*self.remote.borrow()) {
                    graph.deafen(native);
                }
                self.sound();
            }
            // It comes back by itself.
            "waiting" => self.step_down(&detail.as_string().unwrap_or_default()),
            _ => {
                self.receive.borrow_mut().given_up = true;
                self.step_down(&detail.as_string().unwrap_or_default());
            }
        }
    }

    /// The browser's is heard again.
    fn step_down(self: &Rc<Self>, reason: &str) {
        let mut state = self.receive.borrow_mut();
        reason.clone_into(&mut state.reason);
        let played = state.own.take().is_some();
        drop(state);
        if played {
            if let (Some(graph), Some(native)) = (&*self.graph.borrow(), &*self.remote.borrow()) {
                graph.hear(native);
            }
            self.sound();
        }
    }

    /// Plays what is to be heard now, and says so.
    fn sound(self: &Rc<Self>) {
        let Some(stream) = self.heard() else { return };
        self.audio.set_src_object(Some(&stream));
        // Behind this call, which may come from the driver.
        let inner = self.clone();
        spawn_local(async move {
            inner.tell(Report::Remote(stream));
            inner.play().await;
        });
    }
}

/// Frames of a sender or receiver that nobody looks at, on a connection that was made for streams.
fn pass_through(end: &JsValue) {
    let Some(streams) = js::call(end, "createEncodedStreams", &[]) else { return };
    let piped = js::call(&js::get(&streams, "readable"), "pipeTo", &[js::get(&streams, "writable")]);
    if let Some(piped) = piped {
        // Ends with the connection, however that does.
        let piped = JsFuture::from(piped.unchecked_into::<Promise>());
        spawn_local(async move { drop(piped.await) });
    }
}

thread_local! {
    /// `js/receive.js`, once it is loaded.
    static MODULE: RefCell<Option<JsValue>> = const { RefCell::new(None) };
}

async fn load() -> Result<(), JsValue> {
    if MODULE.with_borrow(Option::is_some) {
        return Ok(());
    }
    let graph = graph::module().await.ok_or(JsValue::UNDEFINED)?;
    let loading = js::call(&graph, "receive", &[]).ok_or(JsValue::UNDEFINED)?;
    let module = JsFuture::from(loading.unchecked_into::<Promise>()).await?;
    MODULE.replace(Some(module));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_attribute() {
        for (word, mode) in [("rust", Mode::Rust), (" Browser ", Mode::Browser), ("auto", Mode::Auto), ("", Mode::Auto)]
        {
            assert_eq!(Mode::from_attribute(Some(word)), mode);
        }
        assert_eq!(Mode::from_attribute(None), Mode::Auto);
    }
}
