//! Calls that take the place of others (RFC 3891): which one an INVITE names, and its end once the new one is answered.

use super::Agent;
use crate::call::{CallId, CallState, Cause, Ending};
use crate::dialog::Dialog;
use crate::message::Request;
use crate::value::Replaces;
use crate::{Error, Instant};

/// Calls that are over and still known by name.
const MAX_ENDED: usize = 8;

impl Agent {
    /// The name by which the other end of an established call knows it: for a `Replaces` that a third party sends there.
    ///
    /// # Errors
    /// [`Error::UnknownCall`]; [`Error::WrongState`] unless the call is established.
    pub fn replaces(&self, call: CallId) -> Result<Replaces, Error> {
        let dialog = self.established(call)?.dialog.as_ref().ok_or(Error::UnknownCall)?;
        let tag = |tag: Option<&str>| tag.unwrap_or("0").to_owned();
        Ok(Replaces {
            call_id: dialog.call_id.clone(),
            to_tag: tag(dialog.remote.tag()),
            from_tag: tag(dialog.local.tag()),
            early_only: false,
        })
    }

    /// Which call an INVITE is to take the place of; or the status that it is refused with (RFC 3891 §3).
    pub(super) fn replaced(&self, request: &Request) -> Result<Option<CallId>, u16> {
        let mut values = request.headers.get_all("Replaces");
        let Some(value) = values.next() else { return Ok(None) };
        let (Ok(name), None) = (value.parse::<Replaces>(), values.next()) else { return Err(400) };
        let is = |dialog: &Dialog| is_named(&name, dialog);
        let found = self.calls.keys(|call| call.dialog.as_ref().is_some_and(is) || call.early.iter().any(is));
        // "If the Replaces header field matches more than one dialog, the UA MUST act as if no match is found."
        let [id] = found[..] else {
            // "If the dialog has already terminated, the UA SHOULD decline the request with a 603."
            return Err(if found.is_empty() && self.ended.iter().any(is) { 603 } else { 481 });
        };
        match self.calls.get(id).map(|call| call.state) {
            Some(CallState::Dialing | CallState::Ringing | CallState::Early) => Ok(Some(id)),
            // An early dialog that was not ours to begin.
            Some(CallState::Incoming) | None => Err(481),
            Some(CallState::Ending | CallState::Ended) => Err(603),
            Some(_) if name.early_only => Err(486),
            Some(_) => Ok(Some(id)),
        }
    }

    /// A call is answered: the one whose place it takes ends.
    pub(super) fn take_place(&mut self, now: Instant, id: CallId) {
        let Some(old) = self.calls.get(id).and_then(|call| call.replaces) else { return };
        let Some(call) = self.calls.get_mut(old) else { return };
        let ending = Ending { cause: Cause::RemoteHangup, status: None, reason: Some("replaced".to_owned()) };
        match call.state {
            // It is still ours to cancel.
            CallState::Dialing | CallState::Ringing | CallState::Early => self.abandon(now, old, Cause::RemoteHangup),
            CallState::Answering => {
                // RFC 3261 §15: BYE follows its ACK.
                call.ending = Some(ending.clone());
                let _ = self.shift(old, CallState::Ending);
            }
            CallState::Active | CallState::Held => {
                call.ending = Some(ending.clone());
                self.end_with_bye(now, old, Cause::RemoteHangup);
            }
            CallState::Incoming | CallState::Ending | CallState::Ended => return,
        }
        if let Some(call) = self.calls.get_mut(old) {
            call.ending = Some(ending);
        }
    }

    /// Keeps the name of a call that is over: who wants to replace it hears that it came too late.
    pub(super) fn remember_ended(&mut self, dialog: &Dialog) {
        if self.ended.len() >= MAX_ENDED {
            self.ended.remove(0);
        }
        // Of a dialog only its name counts.
        self.ended.push(Dialog { routes: Vec::new(), ..dialog.clone() });
    }
}

fn is_named(name: &Replaces, dialog: &Dialog) -> bool {
    // §3: "a tag of zero" matches a peer of RFC 2543, which has none.
    let theirs = dialog.remote.tag().unwrap_or("0");
    dialog.call_id == name.call_id && dialog.local.tag() == Some(&name.to_tag) && theirs == name.from_tag
}
