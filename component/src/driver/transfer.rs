//! Transfers: those that we ask the far end for (blind and attended), and those that it asks us for.

use std::rc::Rc;

use js_sys::Promise;
use soft_phone_sip::{self as sip, CallId, TransferId};
use wasm_bindgen::JsValue;

use super::Driver;
use super::calls::gone;
use super::output::Output;
use super::phone::Phone;
use crate::account::Value;
use crate::failure::Failure;
use crate::js::{self, Deferred};
use crate::number;
use crate::state::{Cause, Problem};

/// The user's answer to what a listener vetoed (RFC 3515 §2.4.5).
const DECLINE: u16 = 603;

/// Where a call is transferred to.
pub enum Target {
    /// A number or address: blind.
    Number(String),
    /// The far end of another call: attended.
    Call(u64),
}

/// A transfer that we ask for.
pub struct Transfer {
    target: Target,
    promise: Option<Deferred>,
    sent: bool,
}

impl Transfer {
    /// What waits for its end.
    pub fn into_promise(self) -> Option<Deferred> {
        self.promise
    }
}

impl Driver {
    /// Asks the far end to call somebody else in our place.
    pub fn transfer(self: &Rc<Self>, call: u64, target: &str) -> Promise {
        match number::normalise(target) {
            Some(target) => self.begin_transfer(call, Target::Number(target)),
            None => js::rejected(&Problem::NumberInvalid.into()),
        }
    }

    /// Connects the far ends of two calls.
    pub fn transfer_to(self: &Rc<Self>, call: u64, other: &JsValue) -> Promise {
        let other = js::get(other, "id").as_string().and_then(|id| self.phone.borrow().key_of(&id));
        match other.filter(|other| *other != call) {
            Some(other) => self.begin_transfer(call, Target::Call(other)),
            None => js::rejected(&Failure::wrong_state("the other call is none of this phone's")),
        }
    }

    /// Connects the far ends of two calls, by the window.
    pub fn begin_transfer(self: &Rc<Self>, call: u64, target: Target) -> Promise {
        let (end, promise) = Deferred::new();
        self.run(|phone, _| phone.begin_transfer(call, target, end));
        promise
    }

    /// The far end of a call wants us to call `number` in its place; the page may forbid that like any other call.
    pub(super) fn follow(self: &Rc<Self>, call: CallId, transfer: TransferId, number: &str, target: String) {
        let detail = js::object(&[("number", number.into()), ("source", "transfer".into())]);
        let allowed = self.dispatch(crate::names::DIAL, &detail, true);
        self.run(|phone, _| match allowed {
            true => phone.follow(call, transfer, target),
            false => phone.refuse_transfer(transfer),
        });
    }
}

impl Phone {
    fn begin_transfer(&mut self, key: u64, target: Target, promise: Deferred) {
        let other = match &target {
            Target::Number(_) => true,
            Target::Call(other) => self.entry(*other).is_some_and(|other| other.is_established()),
        };
        let Some(entry) = self.entry(key) else { return self.settle(promise, Err(gone())) };
        if !entry.is_established() || !other || entry.line.transfer.is_some() {
            let failure = Failure::wrong_state(entry.state().as_str());
            return self.settle(promise, Err(failure));
        }
        entry.line.transfer = Some(Transfer { target, promise: Some(promise), sent: false });
        // RFC 5589 §6: who is transferred waits on hold, and is there again when nobody answers.
        entry.line.hold = true;
        self.pursue(key);
    }

    /// The call is held: the transfer that waited for that is asked for.
    pub(super) fn send_transfer(&mut self, key: u64) {
        let other = self.entry(key).and_then(|entry| match entry.line.transfer.as_ref()?.target {
            Target::Call(other) => Some(other),
            Target::Number(_) => None,
        });
        let other = other.and_then(|other| self.entry(other)?.sip);
        let now = crate::clock::now();
        let (Some(entry), Some(agent)) = (self.calls.iter_mut().find(|entry| entry.key == key), &mut self.agent) else {
            return;
        };
        let (Some(call), Some(transfer)) = (entry.sip, entry.line.transfer.as_mut().filter(|known| !known.sent)) else {
            return;
        };
        transfer.sent = true;
        let sent = match (&transfer.target, other) {
            (Target::Number(target), _) => agent.transfer(now, call, target),
            (Target::Call(_), Some(other)) => agent.transfer_to(now, call, other),
            (Target::Call(_), None) => Err(sip::Error::UnknownCall),
        };
        if let Err(error) = sent {
            self.transfer_failed(key, error.into());
        }
    }

    /// What the far end reports of the transfer.
    pub(super) fn on_transfer_progress(&mut self, call: CallId, status: u16, reason: String) {
        let Some(key) = self.key_of_sip(call) else { return };
        if !(200..300).contains(&status) {
            let failure = Failure::from(Cause::from_status(status));
            return self.transfer_failed(key, failure.with_sip(Some(status), Some(reason)));
        }
        if let Some(transfer) = self.entry(key).and_then(|entry| entry.line.transfer.take())
            && let Some(promise) = transfer.promise
        {
            self.settle(promise, Ok(JsValue::UNDEFINED));
        }
        self.report_call(key, "transferred");
    }

    /// The call is as it was before, and is spoken in again, unless another one is.
    fn transfer_failed(&mut self, key: u64, failure: Failure) {
        let Some(transfer) = self.entry(key).and_then(|entry| entry.line.transfer.take()) else { return };
        if let Some(promise) = transfer.promise {
            self.settle(promise, Err(failure));
        }
        self.notify(Problem::TransferFailed);
        let busy = |key: u64, phone: &Phone| {
            phone.calls.iter().any(|entry| entry.key != key && entry.is_established() && !entry.line.hold)
        };
        if !busy(key, self) {
            self.speak_in(key);
        }
    }

    /// The far end asks for a transfer.
    pub(super) fn on_transfer(&mut self, call: CallId, transfer: TransferId, target: &sip::Remote) {
        let number = crate::state::Remote::from(target).number;
        self.outputs.push_back(Output::Transfer { call, transfer, number, target: target.uri.to_string() });
    }

    /// Calls whom the far end of `call` wants us to call.
    fn follow(&mut self, call: CallId, transfer: TransferId, target: String) {
        let from = self.key_of_sip(call).and_then(|key| Some(self.entry(key)?.id()));
        let (end, _) = Deferred::new();
        let made = self.dial(target, super::controls::call_options(&Value::Null), end);
        if let Some(entry) = made.and_then(|key| self.entry(key)) {
            entry.transfer = Some(transfer);
            entry.shared.facts.borrow_mut().transferred_from = from;
        } else {
            self.refuse_transfer(transfer);
        }
    }

    pub(super) fn refuse_transfer(&mut self, transfer: TransferId) {
        if let Some(agent) = &mut self.agent {
            // Too late for one that nobody waits for any more.
            let _ = agent.reject_transfer(crate::clock::now(), transfer, DECLINE);
        }
    }
}
