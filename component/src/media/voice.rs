//! What the far end hears of us: which microphone, opened how, led through which engine.
//!
//! Everything here changes the track that is sent and nothing of the session: no offer, no SIP.

use std::rc::Rc;

use js_sys::Object;
use soft_phone_dsp::host::Figure;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{MediaStream, MediaStreamTrack, MediaStreamTrackState};

use super::graph::{self, Graph};
use super::microphone::{self, Microphone};
use super::processing::{Capture, Event, Processing};
use super::{Inner, Report, Session};
use crate::js;
use crate::state::{Engine, Suppressor};

/// What is known of the engine, for a ticket.
#[derive(Debug, Default)]
pub struct Facts {
    /// Its figures as they were told last.
    figures: Vec<f32>,
    /// Its share of real time.
    share: f64,
    /// Why the browser's processing is used where ours was wanted; empty when there is no reason.
    reason: String,
}

impl Session {
    /// Cuts the microphone off or lets it through.
    pub fn mute(&self, muted: bool) {
        self.0.muted.set(muted);
        self.0.open_microphone();
    }

    /// The microphone's stream, once it is open.
    pub fn local_stream(&self) -> Option<MediaStream> {
        // Not `.clone()`: that is the browser's own method, which opens the microphone a second time.
        self.0.microphone.borrow().as_ref().map(|microphone| Clone::clone(microphone.stream()))
    }

    /// What is sent of it, processed by whom it may be.
    pub fn sent_stream(&self) -> Option<MediaStream> {
        let graph = self.0.graph.borrow();
        let processed = graph.as_ref().filter(|_| self.0.sends_processed()).and_then(Graph::stream);
        processed.or_else(|| self.local_stream())
    }

    /// Who processes it.
    pub fn engine(&self) -> Engine {
        if self.0.sends_processed() { Engine::Rust } else { Engine::Browser }
    }

    /// Who suppresses the noise in it; `None`: nobody, or it is not known yet.
    pub fn noise_suppression(&self) -> Option<Suppressor> {
        if self.0.sends_processed() {
            let neural = graph::figure(&self.0.facts.borrow().figures, Figure::Neural)?;
            return Some(if neural > 0.5 { Suppressor::Neural } else { Suppressor::Spectral });
        }
        let microphone = self.0.microphone.borrow();
        microphone.as_ref().filter(|open| open.capture().noise).map(|_| Suppressor::Browser)
    }

    /// Processes it otherwise, from now on.
    pub fn set_processing(&self, processing: Processing) {
        let mut ladder = self.0.ladder.get();
        let changed = ladder.set_processing(processing, self.0.graph_runs.get());
        self.0.ladder.set(ladder);
        if changed {
            self.0.facts.borrow_mut().reason.clear();
            self.0.apply();
        }
    }

    /// Measures the microphone's level from now on: [`Report::Level`] tells it.
    pub fn measure(&self) {
        self.0.measured.set(true);
        self.0.attach();
    }

    /// Whether there is a level to be told.
    pub fn is_measured(&self) -> bool {
        self.0.measured.get() && self.0.graph.borrow().is_some()
    }

    /// Speaks into another microphone: [`Report::Microphone`] follows when it is in use. One that cannot be opened
    /// leaves things as they are.
    pub fn use_microphone(&self, device: &str) {
        self.0.device.replace(device.to_owned());
        if self.0.microphone.borrow().is_some() {
            self.0.open_again();
        }
    }

    /// Whether the microphone was pulled out.
    pub fn has_lost_microphone(&self) -> bool {
        let microphone = self.0.microphone.borrow();
        let track = microphone.as_ref().and_then(Microphone::track);
        track.is_some_and(|track| track.ready_state() == MediaStreamTrackState::Ended)
    }

    /// What a ticket is told of it.
    pub fn diagnose_voice(&self) -> Object {
        let facts = self.0.facts.borrow();
        let figure = |of| js::number_or_null(graph::figure(&facts.figures, of).map(f64::from));
        js::object(&[
            ("engine", self.engine().as_str().into()),
            ("noiseSuppression", js::text_or_null(self.noise_suppression().map(Suppressor::as_str))),
            ("received", self.diagnose_receive()),
            ("reason", js::text_or_null((!facts.reason.is_empty()).then_some(facts.reason.as_str()))),
            ("load", facts.share.into()),
            ("levelDbfs", figure(Figure::Level)),
            ("latencyMs", figure(Figure::Latency)),
            ("erleDb", figure(Figure::Erle)),
            ("delayMs", figure(Figure::Delay)),
            ("driftPpm", figure(Figure::Drift)),
            ("gainDb", figure(Figure::Gain)),
            ("noiseDbfs", figure(Figure::Noise)),
            ("speechProbability", figure(Figure::Speech)),
            ("doubleTalk", figure(Figure::DoubleTalk)),
        ])
    }
}

impl Inner {
    /// Whether what the engine gives is what is sent. While the microphone is still open as the browser's processing
    /// wants it, it is not.
    pub(super) fn sends_processed(&self) -> bool {
        let raw = self.microphone.borrow().as_ref().is_some_and(|open| open.capture() == Capture::default());
        raw && self.ladder.get().is_rust() && self.graph.borrow().as_ref().is_some_and(|graph| graph.track().is_some())
    }

    /// The track that is to be sent, unless another one takes its place.
    fn own_track(&self) -> Option<MediaStreamTrack> {
        let graph = self.graph.borrow();
        let processed = graph.as_ref().filter(|_| self.sends_processed()).and_then(Graph::track);
        processed.or_else(|| self.microphone.borrow().as_ref().and_then(Microphone::track))
    }

    /// Puts the track that is to be sent onto the connection.
    pub(super) async fn send_track(&self) -> Result<(), JsValue> {
        let track = self.instead.borrow().clone().or_else(|| self.own_track());
        if let (Some(transceiver), Some(track)) = (self.transceiver(), track) {
            JsFuture::from(transceiver.sender().replace_track(Some(&track))).await?;
        }
        Ok(())
    }

    /// Nobody who is on hold hears us.
    pub(super) fn open_microphone(&self) {
        let enabled = !self.muted.get() && !self.wish.get().held;
        if let Some(microphone) = &*self.microphone.borrow() {
            microphone.set_enabled(enabled);
        }
        // What the engine gives for silence need not be silence.
        if let Some(graph) = &*self.graph.borrow() {
            graph.set_enabled(enabled);
        }
    }

    /// Loads the engine, and opens the microphone otherwise, where the ladder says so.
    pub(super) fn adjust(self: &Rc<Self>) {
        let ladder = self.ladder.get();
        if ladder.wants_engine() {
            self.attach();
        }
        let capture = self.microphone.borrow().as_ref().map(Microphone::capture);
        if capture.is_some_and(|capture| capture != ladder.capture()) {
            self.open_again();
        }
    }

    /// Leads the microphone through the engine, unless that is so already.
    pub(super) fn attach(self: &Rc<Self>) {
        if self.closed.get() || self.graph.borrow().is_some() {
            return;
        }
        let microphone = self.microphone.borrow();
        let Some(stream) = microphone.as_ref().map(Microphone::stream) else { return };
        let inner = Rc::downgrade(self);
        let graph = Graph::attach(stream, self.ladder.get().stages(), move |report| {
            if let Some(inner) = inner.upgrade() {
                inner.on_graph(report);
            }
        });
        if let Some(remote) = self.remote.borrow().as_ref().filter(|_| !self.plays_own()) {
            graph.hear(remote);
        }
        self.graph.replace(Some(graph));
        drop(microphone);
        self.open_microphone();
    }

    fn on_graph(self: &Rc<Self>, report: graph::Report) {
        match report {
            graph::Report::Statistics(figures, share) => {
                let level = graph::figure(&figures, Figure::Level);
                {
                    let mut facts = self.facts.borrow_mut();
                    (facts.figures, facts.share) = (figures, share);
                }
                if let Some(level) = level.filter(|_| self.measured.get()) {
                    self.tell(Report::Level(level));
                }
            }
            graph::Report::Event(event, reason) => {
                match event {
                    Event::Running => self.graph_runs.set(true),
                    // It goes on with what is left.
                    Event::Overload | Event::NoNetwork => {}
                    Event::Blocked | Event::Failed => self.graph_runs.set(false),
                }
                let mut ladder = self.ladder.get();
                let changed = ladder.handle(event);
                self.ladder.set(ladder);
                if changed {
                    self.facts.borrow_mut().reason = match event {
                        Event::Running => String::new(),
                        Event::Blocked => "the browser waits for a gesture".to_owned(),
                        Event::Overload | Event::Failed | Event::NoNetwork => {
                            reason.unwrap_or_else(|| "unknown".to_owned())
                        }
                    };
                    if event == Event::Overload {
                        graph::note_overload(ladder.is_rust());
                    }
                    self.apply();
                }
                // Of no use any more, not even as a meter: a machine that does not keep up is rid of all of it.
                if event == Event::Failed || (event == Event::Overload && !ladder.is_rust()) {
                    self.graph_runs.set(false);
                    // Behind this call, which comes from the graph itself.
                    let inner = self.clone();
                    spawn_local(async move { drop(inner.graph.take()) });
                }
            }
        }
    }

    /// Makes the microphone and what is sent of it what the ladder says.
    fn apply(self: &Rc<Self>) {
        if let Some(graph) = &*self.graph.borrow() {
            graph.configure(self.ladder.get().stages());
        }
        // At once, whatever the connection is busy with: the engine may have fallen silent. The microphone as it is
        // open now goes on until it is open as it is wanted.
        let inner = self.clone();
        spawn_local(async move {
            let _ = inner.send_track().await;
            inner.tell(Report::Microphone);
        });
        self.adjust();
    }

    /// Opens the microphone as it is wanted now.
    fn open_again(self: &Rc<Self>) {
        let capture = self.ladder.get().capture();
        let Ok(pending) = microphone::ask(&self.device.borrow(), capture) else { return };
        let inner = self.clone();
        self.enqueue(async move {
            let Ok(microphone) = pending.ready().await else { return };
            if inner.closed.get() {
                return;
            }
            let stream = Clone::clone(microphone.stream());
            // The one before closes once the new one is being sent.
            let before = inner.microphone.replace(Some(microphone));
            inner.open_microphone();
            let heard = inner.graph.borrow().as_ref().is_none_or(|graph| graph.listen(&stream));
            if !heard {
                let reason = Some("the microphone runs at another sample rate".to_owned());
                inner.on_graph(graph::Report::Event(Event::Failed, reason));
            }
            let _ = inner.send_track().await;
            drop(before);
            if inner.closed.get() {
                inner.microphone.take();
                return;
            }
            inner.tell(Report::Microphone);
            // The ladder may have moved on while it was being opened.
            inner.adjust();
        });
    }
}
