//! Texts (RFC 3428): what the page and the window send, what comes.

use std::rc::Rc;

use js_sys::Promise;
use soft_phone_sip::{self as sip, Body, Instant, QueryId};
use wasm_bindgen::JsValue;

use super::Driver;
use super::output::{self, Output};
use super::phone::Phone;
use crate::failure::{CLOSED, Failure};
use crate::js::{self, Deferred};
use crate::state::messages::{Delivery, Messages};
use crate::state::{Cause, Direction, Problem, Remote};
use crate::{clock, names, number};

/// What has been written, and who waits for what became of it.
#[derive(Default)]
pub struct Texts {
    pub(super) known: Messages,
    waiting: Vec<Waiting>,
}

struct Waiting {
    query: QueryId,
    message: u64,
    promise: Deferred,
}

impl Driver {
    /// Sends a text; the promise settles when the far end, or a server on its behalf, has taken it.
    pub fn send_message(self: &Rc<Self>, target: &str, text: &str) -> Promise {
        if let Some(asked) = self.elsewhere(None, "sendMessage", &[target.into(), text.into()]) {
            return asked;
        }
        let (end, promise) = Deferred::new();
        self.run(|phone, now| {
            if let Err((failure, promise)) = phone.send_message(now, target, text, end) {
                phone.settle(promise, Err(failure));
            }
        });
        promise
    }

    /// The user sees the texts.
    pub fn read_messages(self: &Rc<Self>) {
        self.run(|phone, _| phone.texts.known.unread = 0);
    }
}

impl Phone {
    fn send_message(
        &mut self,
        now: Instant,
        target: &str,
        text: &str,
        promise: Deferred,
    ) -> Result<(), (Failure, Deferred)> {
        let target = number::normalise(target);
        let refused = match (&target, &self.agent) {
            (None, _) => Some(Problem::NumberInvalid),
            (Some(_), None) => Some(self.fault.unwrap_or(Problem::NotConfigured)),
            _ => None,
        };
        if let Some(problem) = refused {
            self.notify(problem);
        }
        let (Some(target), Some(agent), None) = (target, &mut self.agent, refused) else {
            return Err((refused.unwrap_or(Problem::NotConfigured).into(), promise));
        };
        let body = Body { content_type: "text/plain;charset=UTF-8".to_owned(), bytes: text.as_bytes().to_vec() };
        match agent.message(now, &target, body) {
            Ok(query) => {
                let remote = remote_of(&target);
                let at = clock::epoch_millis();
                let message = self.texts.known.add(Direction::Outbound, remote, text.to_owned(), at, Delivery::Sending);
                self.texts.waiting.push(Waiting { query, message, promise });
                Ok(())
            }
            // With its headers no longer than a datagram may be (RFC 3428 §8).
            Err(sip::Error::TooLong { what: "message", .. }) => {
                self.notify(Problem::MessageTooLong);
                Err((Problem::MessageTooLong.into(), promise))
            }
            Err(sip::Error::TooLong { what: "messages", .. }) => {
                Err((Failure::wrong_state("so many messages wait"), promise))
            }
            Err(error) => Err((error.into(), promise)),
        }
    }

    pub(super) fn on_message_sent(&mut self, query: QueryId, status: Option<u16>, reason: Option<String>) {
        let Some(place) = self.texts.waiting.iter().position(|waiting| waiting.query == query) else { return };
        let Waiting { message, promise, .. } = self.texts.waiting.remove(place);
        let (delivery, result) = match status {
            Some(200..=299) => (Delivery::Done, Ok(JsValue::UNDEFINED)),
            _ => {
                let cause = status.map_or(Cause::Network, Cause::from_status);
                let failure = Failure::new(cause.as_str(), "the message was not delivered").with_sip(status, reason);
                (Delivery::Failed(cause), Err(failure))
            }
        };
        self.texts.known.settle(message, delivery);
        self.settle(promise, result);
    }

    pub(super) fn on_message(&mut self, from: &sip::Remote, body: &Body) {
        let remote = Remote::from(from);
        let text = String::from_utf8_lossy(&body.bytes).into_owned();
        let detail = js::object(&[
            ("from", output::remote(&remote).into()),
            ("contentType", body.content_type.as_str().into()),
            ("body", text.as_str().into()),
        ]);
        self.texts.known.add(Direction::Inbound, remote, text, clock::epoch_millis(), Delivery::Done);
        self.outputs.push_back(Output::Event { name: names::MESSAGE, detail });
    }

    /// The agent goes: nobody will tell any more what became of what is under way.
    pub(super) fn forget_messages(&mut self) {
        for Waiting { message, promise, .. } in std::mem::take(&mut self.texts.waiting) {
            self.texts.known.settle(message, Delivery::Failed(Cause::Network));
            self.settle(promise, Err(Failure::new(CLOSED, "the phone went before the message was taken")));
        }
    }
}

/// Whom something that was typed means, before anybody has answered.
pub fn remote_of(target: &str) -> Remote {
    let uri = target.parse::<sip::NameAddr>().map(|name| name.uri).ok().filter(|_| target.contains(':'));
    match uri {
        Some(uri) => Remote::from(&sip::Remote { uri, display_name: None }),
        None => Remote { number: target.split('@').next().unwrap_or_default().to_owned(), ..Remote::default() },
    }
}
