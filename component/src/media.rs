//! The media of one call: a peer connection, the microphone, and what is heard.
//!
//! Nothing waits for ICE to finish gathering: a description leaves with the first useful candidate, or after half a
//! second at most. Descriptions are applied one after the other, in the order in which they came, so that a 183 and the
//! 200 behind it cannot race.

pub mod answers;
pub mod change;
mod codecs;
pub mod devices;
mod gathering;
pub mod graph;
pub mod keypad;
pub mod microphone;
pub mod mixer;
pub mod processing;
pub mod quality;
pub mod receive;
mod resume;
mod voice;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use js_sys::Promise;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, future_to_promise};
use web_sys::{
    HtmlAudioElement, MediaStream, MediaStreamTrack, RtcConfiguration, RtcPeerConnection, RtcPeerConnectionIceEvent,
    RtcPeerConnectionState, RtcRtpTransceiver, RtcRtpTransceiverDirection, RtcSessionDescriptionInit, RtcTrackEvent,
    ShadowRoot,
};

use crate::account::IceServer;
use crate::js;
use crate::listener::Listener;
use crate::state::Problem;
use answers::{Answers, Step};
use change::Wish;
use gathering::Gathering;
use graph::Graph;
use microphone::{Microphone, Pending};
use processing::{Ladder, Processing};
use quality::Sample;

/// What a session tells the driver. Never from within a call of the driver's.
pub enum Report {
    /// Our offer, or our answer, is ready to be sent.
    Description(String),
    /// Our answer to a changed offer (or our offer, when the far end asked for one); `None`: it cannot be met.
    Renewed(Option<String>),
    /// Our offer to change the session; `None`: none can be made.
    Offer(Option<String>),
    /// The answer to our offer is in force.
    Settled,
    /// The far end's sound is there.
    Remote(MediaStream),
    /// A candidate that the description which has left does not hold; `None`: there will be no more.
    Candidate(Option<String>),
    /// Packets find their way, or no more.
    Path(Path),
    /// There can be no media, or no more; the problem is ours to tell when there is one.
    Failed(Option<Problem>),
    /// The browser plays nothing before a click or a key on the page.
    SoundBlocked,
    /// The browser plays.
    Playing,
    /// The last keypad tone has been sent.
    TonesSent,
    /// What the statistics say.
    Sample(Sample),
    /// Another microphone is in use, or it is processed by somebody else.
    Microphone,
    /// The far end does not hear us yet, or not at all.
    Unheard(Problem),
    /// How loud it is, dBFS (RMS), −100 to 0; ten times a second.
    Level(f32),
}

/// How the way of the packets stands (W3C WebRTC §4.4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// There is one.
    Found,
    /// The last one is silent; it may come back.
    Silent,
    /// There is none.
    Lost,
}

/// How peer connections are made.
#[derive(Clone)]
pub struct Settings {
    /// STUN and TURN.
    pub ice_servers: Vec<IceServer>,
    /// Through TURN only.
    pub relay_only: bool,
    /// The microphone is allowed for good: gathering need not wait for it. Before that, browsers hide the host's
    /// addresses behind names that no PBX can resolve.
    pub granted: bool,
    /// The chosen microphone; empty: the system's.
    pub microphone: String,
    /// The chosen loudspeaker; empty: the system's.
    pub speaker: String,
    /// Codecs by name, best first; those that are not named come behind.
    pub codecs: String,
    /// What is done to the microphone's sound.
    pub processing: Processing,
    /// Who buffers what is received.
    pub jitter_buffer: receive::Mode,
    /// Where the `<audio>` element stands.
    pub root: ShadowRoot,
}

/// The media of one call. Dropped, it closes the microphone and the peer connection.
pub struct Session(Rc<Inner>);

struct Inner {
    connection: RtcPeerConnection,
    audio: HtmlAudioElement,
    report: Rc<dyn Fn(Report)>,
    /// Gathering begins before the microphone is there.
    early: bool,
    gathering: Gathering,
    answers: RefCell<Answers>,
    microphone: RefCell<Option<Microphone>>,
    /// Who processes its sound.
    ladder: Cell<Ladder>,
    graph: RefCell<Option<Graph>>,
    graph_runs: Cell<bool>,
    /// The level is wanted.
    measured: Cell<bool>,
    facts: RefCell<voice::Facts>,
    /// The far end's sound as the browser plays it.
    remote: RefCell<Option<MediaStream>>,
    /// Our own way of playing it.
    receive: RefCell<receive::State>,
    /// What our last offer was to bring about.
    wish: Cell<Wish>,
    /// Sent in the microphone's place.
    instead: RefCell<Option<MediaStreamTrack>>,
    /// The chosen microphone.
    device: RefCell<String>,
    codecs: String,
    muted: Cell<bool>,
    /// A description with candidates has left.
    told: Cell<bool>,
    /// Somebody listens for the end of the keypad tones.
    tones_watched: Cell<bool>,
    closed: Cell<bool>,
    /// Settles when the last operation on the connection is done.
    last: RefCell<Option<Promise>>,
    listeners: RefCell<Vec<Listener>>,
}

/// The local description that an operation makes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Offer,
    Answer,
}

impl Session {
    /// Begins an outbound call: [`Report::Description`] brings the offer.
    ///
    /// # Errors
    /// [`Problem::Unsupported`] where WebRTC or the microphone is not to be had.
    pub fn dial(settings: &Settings, report: Rc<dyn Fn(Report)>) -> Result<Session, Problem> {
        let session = Session::new(settings, report)?;
        let inner = session.0.clone();
        session.enqueue(async move {
            inner.add_transceiver();
        });
        session.send_with_microphone(Side::Offer)?;
        Ok(session)
    }

    /// Prepares for an inbound call; the microphone stays closed until [`Session::answer`].
    ///
    /// # Errors
    /// [`Problem::Unsupported`] where WebRTC is not to be had.
    pub fn ring(settings: &Settings, offer: Option<String>, report: Rc<dyn Fn(Report)>) -> Result<Session, Problem> {
        let session = Session::new(settings, report)?;
        if session.0.ladder.get().wants_engine() {
            graph::prepare();
        }
        let inner = session.0.clone();
        session.enqueue(async move {
            let prepared = match offer {
                Some(offer) => inner.take_offer(offer).await.is_ok(),
                None => {
                    inner.add_transceiver();
                    true
                }
            };
            // Described when it is answered, not before: what rings must neither tell the caller where it is nor shake hands
            // with it. A caller whose call goes elsewhere in the end would take the first handshake for the right one.
            if !prepared {
                inner.fail(None);
            }
        });
        Ok(session)
    }

    /// Answers the inbound call: [`Report::Description`] brings the answer (the offer, when the INVITE had none).
    ///
    /// # Errors
    /// [`Problem::Unsupported`] where the microphone is not to be had.
    pub fn answer(&self) -> Result<(), Problem> {
        self.send_with_microphone(Side::Answer)
    }

    /// An early answer of the phone `fork`.
    pub fn progress(&self, fork: u32, sdp: String) {
        let step = self.0.answers.borrow_mut().early(fork, sdp);
        self.apply(step);
    }

    /// The phones so far are out of it, others follow, counted anew.
    pub fn forget_answers(&self) {
        self.0.answers.take();
    }

    /// The final answer of the phone `fork`.
    pub fn answered(&self, fork: u32, sdp: Option<String>) {
        let step = self.0.answers.borrow_mut().last(fork, sdp);
        self.apply(step);
    }

    /// The far end changes the session, or asks for an offer of ours: [`Report::Renewed`] brings it.
    pub fn renew(&self, offer: Option<String>) {
        let inner = self.0.clone();
        self.enqueue(async move {
            let side = if offer.is_some() { Side::Answer } else { Side::Offer };
            let ready = match offer {
                Some(offer) => inner.take_offer(offer).await,
                None => Ok(()),
            };
            let described = match ready {
                Ok(()) => inner.describe(side).await,
                Err(error) => Err(error),
            };
            let sdp = described.ok().and_then(|()| inner.local_sdp());
            inner.tell(Report::Renewed(sdp));
        });
    }

    /// Hears the far end through another loudspeaker.
    pub fn use_speaker(&self, device: &str) {
        devices::route(&self.0.audio, device);
    }

    /// Tries again to play, after a gesture of the user.
    pub fn play(&self) {
        if let Some(graph) = &*self.0.graph.borrow() {
            graph.resume();
        }
        self.0.resume_receive();
        let inner = self.0.clone();
        wasm_bindgen_futures::spawn_local(async move { inner.play().await });
    }

    fn new(settings: &Settings, report: Rc<dyn Fn(Report)>) -> Result<Session, Problem> {
        let connection = RtcPeerConnection::new_with_configuration(&configuration(settings));
        let connection = connection.map_err(|_| Problem::Unsupported)?;
        let audio = HtmlAudioElement::new().map_err(|_| Problem::Unsupported)?;
        audio.set_autoplay(true);
        devices::route(&audio, &settings.speaker);
        // Chromium feeds a remote stream to nothing unless an element holds it.
        let _ = settings.root.append_child(&audio);
        let inner = Rc::new(Inner {
            gathering: Gathering::new(&connection),
            connection,
            audio,
            report,
            early: settings.granted,
            answers: RefCell::default(),
            microphone: RefCell::new(None),
            ladder: Cell::new(Ladder::new(settings.processing, graph::overloaded())),
            graph: RefCell::new(None),
            graph_runs: Cell::new(false),
            measured: Cell::new(false),
            facts: RefCell::default(),
            remote: RefCell::new(None),
            receive: RefCell::new(receive::State::new(settings.jitter_buffer)),
            wish: Cell::default(),
            instead: RefCell::new(None),
            device: RefCell::new(settings.microphone.clone()),
            codecs: settings.codecs.clone(),
            muted: Cell::new(false),
            told: Cell::new(false),
            tones_watched: Cell::new(false),
            closed: Cell::new(false),
            last: RefCell::new(None),
            listeners: RefCell::default(),
        });
        inner.listen();
        // An operation of its own: who hangs up meanwhile has closed the connection, and the next one does not begin.
        let first = inner.clone();
        inner.enqueue(async move { first.prepare_receive().await });
        Ok(Session(inner))
    }

    /// Asks for the microphone now; when it is open and a candidate is there, the description leaves.
    fn send_with_microphone(&self, side: Side) -> Result<(), Problem> {
        let pending = microphone::ask(&self.0.device.borrow(), self.0.ladder.get().capture())?;
        let inner = self.0.clone();
        self.enqueue(async move {
            if let Err(problem) = inner.prepare(side, pending).await {
                inner.fail(problem);
            }
        });
        Ok(())
    }

    fn apply(&self, step: Step) {
        let inner = self.0.clone();
        match step {
            Step::Skip => {}
            Step::Missing => self.enqueue(async move { inner.fail(None) }),
            // A provisional answer that does not fit may still be followed by one that does.
            Step::Provisional(sdp) => self.enqueue(async move {
                let _ = inner.set_remote("pranswer", sdp).await;
            }),
            Step::Final(sdp) => self.enqueue(async move {
                if inner.set_remote("answer", sdp).await.is_err() {
                    inner.fail(None);
                }
            }),
        }
    }

    fn enqueue(&self, operation: impl Future<Output = ()> + 'static) {
        self.0.enqueue(operation);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.0.closed.set(true);
        self.0.listeners.take();
        self.0.gathering.end();
        self.0.end_receive();
        self.0.graph.take();
        self.0.microphone.take();
        self.0.audio.set_src_object(None);
        self.0.audio.remove();
        self.0.connection.close();
    }
}

impl Inner {
    fn enqueue(self: &Rc<Self>, operation: impl Future<Output = ()> + 'static) {
        self.append(Box::pin(operation));
    }

    /// Runs one operation on the connection after those before it.
    fn append(self: &Rc<Self>, operation: Pin<Box<dyn Future<Output = ()>>>) {
        let before = self.last.take();
        let inner = self.clone();
        let done = future_to_promise(async move {
            if let Some(before) = before {
                let _ = JsFuture::from(before).await;
            }
            if !inner.closed.get() {
                operation.await;
            }
            Ok(JsValue::UNDEFINED)
        });
        self.last.replace(Some(done));
    }

    fn listen(self: &Rc<Self>) {
        let (track, state, late) = (Rc::downgrade(self), Rc::downgrade(self), Rc::downgrade(self));
        self.listeners.borrow_mut().extend([
            Listener::new(&self.connection, "icecandidate", move |event| {
                let candidate = event.unchecked_ref::<RtcPeerConnectionIceEvent>().candidate();
                let candidate = candidate.map(|candidate| candidate.candidate());
                // An empty one marks the end of a generation (W3C WebRTC §4.8.1.4), as `None` does of all.
                if let Some(inner) = late.upgrade().filter(|inner| inner.told.get() && candidate.as_deref() != Some(""))
                {
                    inner.tell(Report::Candidate(candidate));
                }
            }),
            Listener::new(&self.connection, "track", move |event| {
                if let Some(inner) = track.upgrade() {
                    inner.hear(event.unchecked_ref());
                }
            }),
            Listener::new(&self.connection, "connectionstatechange", move |_| {
                if let Some(inner) = state.upgrade() {
                    inner.tell(Report::Path(match inner.connection.connection_state() {
                        RtcPeerConnectionState::Connected => Path::Found,
                        RtcPeerConnectionState::Disconnected => Path::Silent,
                        RtcPeerConnectionState::Failed => Path::Lost,
                        _ => return,
                    }));
                }
            }),
        ]);
    }

    async fn prepare(self: &Rc<Self>, side: Side, pending: Pending) -> Result<(), Option<Problem>> {
        if self.early && self.connection.local_description().is_none() {
            self.describe(if side == Side::Offer { side } else { self.side() }).await.map_err(|_| None)?;
        }
        let microphone = pending.ready().await.map_err(Some)?;
        // Given up meanwhile: the microphone closes as it is dropped here.
        if self.closed.get() {
            return Ok(());
        }
        self.microphone.replace(Some(microphone));
        self.open_microphone();
        self.send_track().await.map_err(|_| None)?;
        if self.closed.get() {
            self.microphone.take();
            return Ok(());
        }
        if self.connection.local_description().is_none() {
            self.describe(if side == Side::Offer { side } else { self.side() }).await.map_err(|_| None)?;
        }
        self.gathering.sendable().await;
        if self.closed.get() {
            return Ok(());
        }
        match self.local_sdp() {
            Some(sdp) if !self.gathering.is_hopeless() => {
                self.told.set(true);
                self.tell(Report::Description(sdp));
            }
            _ => return Err(None),
        }
        // Not before: the far end need not wait for what is heard only once it answers.
        self.adjust();
        self.play_own();
        Ok(())
    }

    /// What we owe: an answer when the far end made an offer, else an offer.
    fn side(&self) -> Side {
        if self.connection.remote_description().is_some() { Side::Answer } else { Side::Offer }
    }

    async fn take_offer(&self, sdp: String) -> Result<(), JsValue> {
        self.set_remote("offer", sdp).await?;
        // What the offer brought is "recvonly" until somebody says that we speak, too.
        self.direct();
        Ok(())
    }

    /// Makes and applies the local description; gathering begins.
    async fn describe(&self, side: Side) -> Result<(), JsValue> {
        if let Some(transceiver) = self.transceiver() {
            codecs::prefer(&transceiver, &self.codecs);
        }
        let description = match side {
            Side::Offer => self.connection.create_offer(),
            Side::Answer => self.connection.create_answer(),
        };
        self.set_local(description, true).await
    }

    async fn set_local(&self, description: Promise, gathers: bool) -> Result<(), JsValue> {
        let description: RtcSessionDescriptionInit = JsFuture::from(description).await?.unchecked_into();
        if gathers {
            self.gathering.begin();
        }
        JsFuture::from(self.connection.set_local_description(&description)).await?;
        Ok(())
    }

    async fn set_remote(&self, kind: &str, sdp: String) -> Result<(), JsValue> {
        let description = js::object(&[("type", kind.into()), ("sdp", sdp.into())]);
        JsFuture::from(self.connection.set_remote_description(description.unchecked_ref())).await?;
        Ok(())
    }

    /// The description with all candidates known so far.
    fn local_sdp(&self) -> Option<String> {
        self.connection.local_description().map(|description| description.sdp())
    }

    /// The one that carries the sound: the first of kind audio that the far end has not put another one in the place of.
    fn transceiver(&self) -> Option<RtcRtpTransceiver> {
        self.connection
            .get_transceivers()
            .iter()
            .map(JsCast::unchecked_into::<RtcRtpTransceiver>)
            .find(|it| it.receiver().track().kind() == "audio" && it.direction() != RtcRtpTransceiverDirection::Stopped)
    }

    /// A place for sound both ways, of our own accord.
    fn add_transceiver(self: &Rc<Self>) -> RtcRtpTransceiver {
        let transceiver = self.connection.add_transceiver_with_str("audio");
        if let Ok(stream) = MediaStream::new() {
            stream.add_track(&transceiver.receiver().track());
            self.see_frames(&transceiver, &stream);
        }
        transceiver
    }

    fn hear(self: &Rc<Self>, event: &RtcTrackEvent) {
        let track = event.track();
        if track.kind() != "audio" {
            return;
        }
        let Ok(stream) = MediaStream::new() else { return };
        stream.add_track(&track);
        self.remote.replace(Some(Clone::clone(&stream)));
        self.see_frames(&event.transceiver(), &stream);
        // The same track may come again, as after a hold.
        if self.plays_own() {
            return;
        }
        self.audio.set_src_object(Some(&stream));
        if let Some(graph) = &*self.graph.borrow() {
            graph.hear(&stream);
        }
        self.tell(Report::Remote(stream));
        let inner = self.clone();
        wasm_bindgen_futures::spawn_local(async move { inner.play().await });
    }

    async fn play(&self) {
        if self.closed.get() || self.audio.src_object().is_none() {
            return;
        }
        let Ok(playing) = self.audio.play() else { return };
        match JsFuture::from(playing).await {
            Ok(_) => self.tell(Report::Playing),
            Err(error) if js::get(&error, "name").as_string().as_deref() == Some("NotAllowedError") => {
                self.tell(Report::SoundBlocked);
            }
            // Interrupted by another source or the end of the call.
            Err(_) => {}
        }
    }

    fn fail(&self, problem: Option<Problem>) {
        self.tell(Report::Failed(problem));
    }

    fn tell(&self, report: Report) {
        if !self.closed.get() {
            (self.report)(report);
        }
    }
}

fn configuration(settings: &Settings) -> RtcConfiguration {
    let servers: js_sys::Array = settings
        .ice_servers
        .iter()
        .map(|server| {
            let urls: js_sys::Array = server.urls.iter().map(|url| JsValue::from_str(url)).collect();
            let entry = js::object(&[("urls", urls.into())]);
            if let (Some(username), Some(credential)) = (&server.username, &server.credential) {
                js::set(&entry, "username", &username.into());
                js::set(&entry, "credential", &credential.into());
            }
            entry
        })
        .collect();
    js::object(&[
        ("iceServers", servers.into()),
        ("iceTransportPolicy", if settings.relay_only { "relay" } else { "all" }.into()),
        ("bundlePolicy", "max-bundle".into()),
        ("encodedInsertableStreams", settings.jitter_buffer.wants_streams().into()),
    ])
    .unchecked_into()
}
