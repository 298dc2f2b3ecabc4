//! The media of a call that another page has begun: another peer connection, and an offer that does not wait for the user.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Array, Promise};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::microphone::{self, Pending};
use super::{Inner, Report, Session, Settings, codecs, graph};
use crate::clock::Timer;
use crate::state::Problem;

/// How long the offer waits for the microphone, ms. Before it is open, browsers hide addresses behind names that no PBX
/// resolves; those of the PBX are enough, as it answers to wherever our checks come from (RFC 8445 §7.3.1.3).
const OFFER_AFTER: u64 = 200;
/// The user is told after this that nobody hears them, ms.
const TOLD_AFTER: u64 = 1_500;

impl Session {
    /// Prepares to go on: [`Session::offer`] makes the offer. The microphone follows when it is open:
    /// [`Report::Microphone`], or [`Report::Unheard`] when it is not, or not yet.
    ///
    /// # Errors
    /// [`Problem::Unsupported`] where WebRTC is not to be had.
    pub fn resume(settings: &Settings, muted: bool, report: Rc<dyn Fn(Report)>) -> Result<Session, Problem> {
        let session = Session::new(settings, report)?;
        let inner = session.0.clone();
        inner.muted.set(muted);
        let connected = inner.clone();
        session.enqueue(async move {
            codecs::prefer(&connected.add_transceiver(), &connected.codecs);
            // The microphone may be open by now, and may not.
            let _ = connected.send_track().await;
        });
        if inner.ladder.get().wants_engine() {
            graph::prepare();
        }
        let asked = microphone::ask(&settings.microphone, inner.ladder.get().capture());
        let is_open = Rc::new(RefCell::new(None));
        let opened = {
            let is_open = is_open.clone();
            Promise::new(&mut |resolve, _| drop(is_open.replace(Some(resolve))))
        };
        let speaker = inner.clone();
        spawn_local(async move {
            speaker.join(asked).await;
            if let Some(resolve) = is_open.take() {
                let _ = resolve.call0(&JsValue::UNDEFINED);
            }
        });
        let first = opened.clone();
        let granted = settings.granted;
        session.enqueue(async move {
            if !granted {
                wait(&first, OFFER_AFTER).await;
            }
        });
        spawn_local(async move {
            if !wait(&opened, TOLD_AFTER).await {
                inner.tell(Report::Unheard(Problem::MicrophoneWaits));
            }
        });
        Ok(session)
    }
}

impl Inner {
    /// Speaks, once the microphone is open. Not one of the operations on the connection: those do not wait for it.
    async fn join(self: &Rc<Self>, asked: Result<Pending, Problem>) {
        let microphone = match asked {
            Ok(pending) => pending.ready().await,
            Err(problem) => Err(problem),
        };
        match microphone {
            // Over meanwhile: the microphone closes as it is dropped here.
            Ok(_) | Err(_) if self.closed.get() => {}
            Ok(microphone) => {
                self.microphone.replace(Some(microphone));
                self.open_microphone();
                let _ = self.send_track().await;
                if self.closed.get() {
                    self.microphone.take();
                    return;
                }
                self.tell(Report::Microphone);
                if self.measured.get() {
                    self.attach();
                }
                self.adjust();
            }
            Err(problem) => self.tell(Report::Unheard(problem)),
        }
    }
}

/// Waits for a promise, but no longer than so many milliseconds; false when it has not settled by then.
async fn wait(promise: &Promise, millis: u64) -> bool {
    let mut wake = None;
    let late = Promise::new(&mut |resolve, _| wake = Some(resolve));
    let wake = wake.unwrap_or_default();
    let _timer = Timer::new(millis, move || drop(wake.call1(&JsValue::UNDEFINED, &JsValue::TRUE)));
    let first = JsFuture::from(Promise::race(&Array::of2(promise, &late))).await;
    !first.is_ok_and(|late| late.is_truthy())
}
