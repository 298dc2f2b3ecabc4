//! When a description may leave: with the first candidate that another machine can use.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{Function, Promise};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{RtcPeerConnection, RtcPeerConnectionIceEvent};

use crate::clock::Timer;
use crate::listener::Listener;

/// Longest wait for a useful candidate, ms: nobody waits for a STUN server that does not answer.
const LONGEST: u64 = 500;

/// Watches the candidates of one peer connection.
pub struct Gathering {
    promise: RefCell<Promise>,
    state: Rc<State>,
    listener: RefCell<Option<Listener>>,
    timer: RefCell<Option<Timer>>,
}

struct State {
    sendable: RefCell<Function>,
    candidates: Cell<u32>,
    complete: Cell<bool>,
}

impl Gathering {
    /// Before the local description is set.
    pub fn new(connection: &RtcPeerConnection) -> Gathering {
        let (promise, sendable) = pair();
        let state =
            Rc::new(State { sendable: RefCell::new(sendable), candidates: Cell::new(0), complete: Cell::new(false) });
        let seen = state.clone();
        let listener = Listener::new(connection, "icecandidate", move |event| {
            match event.unchecked_ref::<RtcPeerConnectionIceEvent>().candidate() {
                Some(candidate) => seen.handle(&candidate.candidate()),
                None => seen.finish(),
            }
        });
        Gathering {
            promise: RefCell::new(promise),
            state,
            listener: RefCell::new(Some(listener)),
            timer: RefCell::new(None),
        }
    }

    /// A local description is being set with which gathering begins, for the first time or anew.
    pub fn begin(&self) {
        let (promise, sendable) = pair();
        let _ = self.promise.replace(promise);
        self.state.sendable.replace(sendable);
        self.state.candidates.set(0);
        self.state.complete.set(false);
        let state = self.state.clone();
        self.timer.replace(Timer::new(LONGEST, move || state.resolve()));
    }

    /// Waits until the description may leave.
    pub async fn sendable(&self) {
        // No borrow is held while it waits.
        let promise = self.promise.borrow().clone();
        let _ = JsFuture::from(promise).await;
    }

    /// Gathering is over and brought nothing: no network, or a relay that is not there.
    pub fn is_hopeless(&self) -> bool {
        self.state.complete.get() && self.state.candidates.get() == 0
    }

    /// Stops watching; whoever waits goes on.
    pub fn end(&self) {
        self.listener.take();
        self.timer.take();
        self.state.resolve();
    }
}

/// A promise and what resolves it.
fn pair() -> (Promise, Function) {
    let mut resolve = None;
    let promise = Promise::new(&mut |sendable, _| resolve = Some(sendable));
    (promise, resolve.unwrap_or_default())
}

impl State {
    fn handle(&self, candidate: &str) {
        // An empty one marks the end of a generation (W3C WebRTC §4.8.1.4).
        if candidate.is_empty() {
            return;
        }
        self.candidates.set(self.candidates.get() + 1);
        if is_useful(candidate) {
            self.resolve();
        }
    }

    fn finish(&self) {
        self.complete.set(true);
        self.resolve();
    }

    fn resolve(&self) {
        let _ = self.sendable.borrow().call0(&JsValue::UNDEFINED);
    }
}

/// Whether another machine can send to it: an address over UDP, not an mDNS name that only this network resolves.
fn is_useful(candidate: &str) -> bool {
    // candidate:foundation component transport priority address port typ … (RFC 8839 §5.1)
    let mut fields = candidate.split(' ').skip(2);
    let transport = fields.next().unwrap_or_default();
    let address = fields.nth(1).unwrap_or_default();
    transport.eq_ignore_ascii_case("udp") && !address.ends_with(".local")
}

#[cfg(test)]
mod tests {
    use super::is_useful;

    #[test]
    fn an_address_is_useful_and_a_hidden_one_is_not() {
        assert!(is_useful("candidate:1 1 udp 2113937151 192.0.2.7 50000 typ host generation 0"));
        assert!(is_useful("candidate:2 1 UDP 1677729535 198.51.100.1 50000 typ srflx raddr 0.0.0.0 rport 0"));
        assert!(!is_useful("candidate:1 1 udp 2113937151 5d5d7f4e-9a1c.local 50000 typ host"));
        assert!(!is_useful("candidate:3 1 tcp 1518280447 192.0.2.7 9 typ host tcptype active"));
        assert!(!is_useful(""));
    }
}
