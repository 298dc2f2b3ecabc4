//! Calls that we transfer (RFC 3515, RFC 5589): REFER to the other end, what its NOTIFYs say, the BYE at the end.

use super::auth::Tried;
use super::{Agent, Pending, Purpose, Timer};
use crate::call::{CallId, CallState, Cause};
use crate::dialog::{Dialog, Order};
use crate::message::{Request, Response, reason_phrase};
use crate::scan::{Pieces, cut, decimal};
use crate::transaction::{Failure, ServerKey};
use crate::{Error, Event, Instant, Method, NameAddr, TransferId, Uri};

use std::time::Duration;

/// Transfers at a time, of each direction; those that are over and wait for their last NOTIFY count.
pub(super) const MAX_TRANSFERS: usize = 32;

/// The type of what NOTIFY reports with (RFC 3515 §2.4.5).
pub(super) const SIPFRAG: &str = "message/sipfrag";

/// Longest reason phrase of a stranger that is handed on, in bytes.
const MAX_REASON: usize = 256;

/// How long a subscription lasts that does not say so.
pub(super) const EXPIRES: u64 = 180;

/// Longest that a subscription may last without a word.
pub(super) const MAX_EXPIRES: u64 = 3_600;

/// How long the target has to end the call that it was asked to replace (RFC 5589 §7.3).
const REPLACED_WITHIN: Duration = Duration::from_secs(4);

/// A REFER of ours, until its subscription ends.
#[derive(Debug)]
pub(super) struct Referral {
    pub(super) call: CallId,
    /// Attended: the call with the target.
    other: Option<CallId>,
    /// The REFER's number: the name of its subscription (RFC 3515 §2.4.6).
    pub(super) id: u32,
    /// A NOTIFY has come.
    heard: bool,
    /// The driver has been told how it went, or will not be any more.
    done: bool,
}

impl Agent {
    /// Asks the other end to call `target` instead of us: a blind transfer. [`Event::TransferProgress`] says how it
    /// goes; when the target has answered, the call with us is ended. Put the call on hold first.
    ///
    /// # Errors
    /// [`Error::UnknownCall`]; [`Error::WrongState`] unless the call is established and no other transfer of it runs;
    /// [`Error::Malformed`], [`Error::Injection`] and [`Error::TooLong`] for a target that is none, as in
    /// [`Agent::call`]; [`Error::NotConnected`].
    pub fn transfer(&mut self, now: Instant, call: CallId, target: &str) -> Result<(), Error> {
        let target = self.identity.target(target)?;
        self.refer(now, call, target.uri, None, true)
    }

    /// As [`Agent::transfer`], but asks for no reports (RFC 4488): where the other end agrees, the call is ended as soon
    /// as it has accepted the request, and nobody hears whether the target answered.
    ///
    /// # Errors
    /// As [`Agent::transfer`].
    pub fn transfer_unwatched(&mut self, now: Instant, call: CallId, target: &str) -> Result<(), Error> {
        let target = self.identity.target(target)?;
        self.refer(now, call, target.uri, None, false)
    }

    /// Connects the other ends of two calls of ours: an attended transfer (RFC 5589 §7). The other end of `call` is asked
    /// to call that of `other` in the place of our call with it (RFC 3891).
    ///
    /// # Errors
    /// As [`Agent::transfer`], for either call.
    pub fn transfer_to(&mut self, now: Instant, call: CallId, other: CallId) -> Result<(), Error> {
        let replaced = self.established(other)?;
        if call == other {
            return Err(Error::WrongState { state: replaced.state.as_str() });
        }
        let Some(dialog) = &replaced.dialog else { return Err(Error::UnknownCall) };
        // RFC 5589 §7.3: the Contact when it can be reached from everywhere (RFC 5627), else the address of record: a
        // browser's Contact means something to its own server only.
        let reachable = dialog.target.param("gr").is_some()
            || !dialog.remote.uri.is_sip()
            || dialog.remote.uri.host.ends_with(".invalid");
        let mut target = if reachable { dialog.target.clone() } else { dialog.remote.uri.clone() };
        let replaces = crate::uri::escape_header(&self.replaces(other)?.to_string());
        target.headers = Some(["Replaces=", &replaces, "&Require=replaces"].concat());
        self.refer(now, call, target, Some(other), true)
    }

    fn refer(
        &mut self,
        now: Instant,
        id: CallId,
        target: Uri,
        other: Option<CallId>,
        watched: bool,
    ) -> Result<(), Error> {
        self.established(id)?;
        if self.referrals.find(|referral| referral.call == id && !referral.done).is_some() {
            return Err(Error::WrongState { state: "transferring" });
        }
        if self.referrals.len() >= MAX_TRANSFERS {
            return Err(Error::TooLong { what: "transfers", limit: MAX_TRANSFERS });
        }
        if self.flow.is_none() {
            return Err(Error::NotConnected);
        }
        let dialog = self.calls.get_mut(id).and_then(|call| call.dialog.as_mut()).ok_or(Error::UnknownCall)?;
        let mut request = dialog.request(Method::Refer);
        let seq = dialog.local_seq;
        self.identity.add_contact(&mut request.headers);
        let refer_to = NameAddr { display_name: None, uri: target, params: Vec::new() };
        request.headers.push_parsed("Refer-To", refer_to.to_string());
        // RFC 3892 §2.1.
        request.headers.push_parsed("Referred-By", self.identity.name.to_string());
        if !watched {
            // RFC 4488 §4.
            request.headers.push_parsed("Refer-Sub", "false".to_owned());
            request.headers.push_parsed("Supported", "norefersub".to_owned());
        }
        let referral = TransferId(self.take_id());
        self.send_request(now, Pending { purpose: Purpose::Refer(referral), request, tried: Tried::default() })?;
        self.referrals.insert(referral, Referral { call: id, other, id: seq, heard: false, done: false });
        self.drain(now);
        Ok(())
    }

    /// The final answer to our REFER.
    pub(super) fn on_refer_answer(&mut self, now: Instant, id: TransferId, response: &Response) {
        let Some(referral) = self.referrals.get(id) else { return };
        let (call, heard) = (referral.call, referral.heard);
        let unwatched = response.headers.get("Refer-Sub").is_some_and(|value| of_token(value, "false"));
        match response.status {
            200..=299 if !unwatched => {
                // RFC 3515 §2.4.4: 202 says that the request was understood, no more; a NOTIFY must come at once.
                if !heard {
                    self.timers.set(Timer::Transfer(id), now + self.times.give_up());
                }
            }
            status => {
                self.report(now, id, status, &response.reason, true);
                self.forget_referral(id);
                if status == 481 {
                    // RFC 3261 §12.2.1.2: the other end knows nothing of this call.
                    self.end_with_bye(now, call, Cause::Network);
                }
            }
        }
    }

    /// Our REFER will not be answered.
    pub(super) fn on_refer_failed(&mut self, now: Instant, id: TransferId, failure: Failure) {
        let Some(referral) = self.referrals.get(id) else { return };
        if failure == Failure::Transport {
            // The connection took it along; it may have arrived, and its NOTIFY may come by the next one.
            self.timers.set(Timer::Transfer(id), now + self.times.give_up());
        } else if !referral.heard {
            self.give_up_referral(now, id);
        }
    }

    /// Nothing was heard for as long as the subscription lasts (RFC 6665 §4.1.2.4, timer N).
    pub(super) fn give_up_referral(&mut self, now: Instant, id: TransferId) {
        self.report(now, id, 408, reason_phrase(408), true);
        self.forget_referral(id);
    }

    /// A NOTIFY with `Event: refer` in the dialog of `call`, which may be over.
    pub(super) fn on_refer_notify(&mut self, now: Instant, call: CallId, key: ServerKey, request: &Request, tag: &str) {
        let name = request.headers.get("Event").and_then(event_id);
        let named = |referral: &Referral| name.is_none_or(|name| decimal(name) == Some(u64::from(referral.id)));
        // RFC 3515 §2.4.6: without a name it is the one there is.
        let Some(id) = self.referrals.keys(|referral| referral.call == call && named(referral)).pop() else {
            return self.reply_status(now, key, request, 481, tag);
        };
        let is_fragment = request.content_type().is_some_and(|it| it.eq_ignore_ascii_case(SIPFRAG));
        if !request.body.is_empty() && !is_fragment {
            let mut refusal = self.identity.response(request, 415, None, tag);
            refusal.headers.push_parsed("Accept", SIPFRAG.to_owned());
            return self.reply(now, key, refusal);
        }
        self.reply_status(now, key, request, 200, tag);
        let state = request.headers.get("Subscription-State").unwrap_or("");
        let over = of_token(state, "terminated");
        if let Some(referral) = self.referrals.get_mut(id) {
            referral.heard = true;
        }
        let expires = param(state, "expires").and_then(decimal).unwrap_or(EXPIRES).min(MAX_EXPIRES);
        self.timers.set(Timer::Transfer(id), now + Duration::from_secs(expires));
        match fragment(&request.body) {
            Some((status, reason)) => self.report(now, id, status, &reason, over),
            // It ended without a word on how: RFC 6665 §4.1.3 lets it for want of a resource.
            None if over => self.report(now, id, 408, param(state, "reason").unwrap_or(""), true),
            None => {}
        }
        if over {
            self.forget_referral(id);
        } else if self.referrals.get(id).is_some_and(|referral| referral.done) {
            // Only the end of the subscription is still to come.
            self.timers.set(Timer::Transfer(id), now + self.times.give_up());
        }
    }

    /// Tells the driver how a transfer goes, once it is over for the last time.
    fn report(&mut self, now: Instant, id: TransferId, status: u16, reason: &str, over: bool) {
        let Some(referral) = self.referrals.get_mut(id).filter(|referral| !referral.done) else { return };
        let done = over || status >= 200;
        referral.done = done;
        let (call, other) = (referral.call, referral.other);
        self.events.push_back(Event::TransferProgress { call, status, reason: bounded(reason), done });
        if !done || !(200..300).contains(&status) {
            // The call stays as it is: on hold, and usable.
            return;
        }
        // RFC 5589 §6.1: the transferor ends its call with the transferee. Asterisk waits for it.
        self.end_with_bye(now, call, Cause::LocalHangup);
        if let Some(other) = other.filter(|other| self.calls.get(*other).is_some()) {
            // §7.3: the target ends the call that was replaced; if it does not, we do.
            self.timers.set(Timer::Replaced(other), now + REPLACED_WITHIN);
        }
    }

    /// The call that was replaced is still there.
    pub(super) fn end_replaced(&mut self, now: Instant, call: CallId) {
        if self.established(call).is_ok() {
            self.end_with_bye(now, call, Cause::LocalHangup);
        }
    }

    fn forget_referral(&mut self, id: TransferId) {
        self.timers.stop(Timer::Transfer(id));
        if let Some(referral) = self.referrals.remove(id) {
            self.forget_dialog(referral.call);
        }
    }

    /// A call is over. Subscriptions in its dialog go on without it (RFC 5057 §4.1).
    pub(super) fn referrals_outlive(&mut self, call: CallId, dialog: Option<Dialog>) {
        self.timers.stop(Timer::Replaced(call));
        for id in self.referrals.keys(|referral| referral.call == call) {
            if let Some(referral) = self.referrals.get_mut(id) {
                referral.done = true;
            }
        }
        if let Some(dialog) = dialog {
            self.ended_dialogs.push((call, dialog));
            self.forget_dialog(call);
        }
    }

    /// Forgets the dialog of a call that is over, unless a subscription lives in it.
    pub(super) fn forget_dialog(&mut self, call: CallId) {
        let needed = self.referrals.find(|referral| referral.call == call).is_some()
            || self.transfers.find(|transfer| transfer.call == call).is_some();
        if !needed {
            self.ended_dialogs.retain(|(of, _)| *of != call);
        }
    }

    /// The call that is over and in whose dialog a NOTIFY or SUBSCRIBE about a transfer is.
    pub(super) fn ended_dialog(&mut self, request: &Request) -> Option<CallId> {
        if !matches!(request.method, Method::Notify | Method::Subscribe) || !is_refer(request) {
            return None;
        }
        let (to, from, seq) = (request.to().ok()?, request.from().ok()?, request.cseq().ok()?.seq);
        let ours = |dialog: &Dialog| dialog.has(request.call_id(), to.tag(), from.tag());
        let (call, dialog) = self.ended_dialogs.iter_mut().find(|(_, dialog)| ours(dialog))?;
        (dialog.receive(seq) == Order::Next).then_some(*call)
    }

    /// The dialog of a call that lives, or that has left a subscription behind.
    pub(super) fn dialog_mut(&mut self, call: CallId) -> Option<&mut Dialog> {
        match self.calls.get_mut(call) {
            Some(call) => call.dialog.as_mut(),
            None => self.ended_dialogs.iter_mut().find(|(of, _)| *of == call).map(|(_, dialog)| dialog),
        }
    }

    /// The dialog that a request of ours is in, early ones included.
    pub(super) fn dialog_of(&mut self, request: &Request) -> Option<&mut Dialog> {
        let (from, to) = (request.from().ok()?, request.to().ok()?);
        let ours = |dialog: &&mut Dialog| to.tag().is_some() && dialog.has(request.call_id(), from.tag(), to.tag());
        let of_calls = self.calls.values_mut().flat_map(|call| call.dialog.iter_mut().chain(&mut call.early));
        let of_subscriptions = self.subscriptions.values_mut().filter_map(|it| it.dialog.as_mut());
        let others = self.ended_dialogs.iter_mut().map(|(_, dialog)| dialog).chain(of_subscriptions);
        of_calls.chain(others).find(ours)
    }

    /// A call that is answered and not about to end.
    pub(super) fn established(&self, id: CallId) -> Result<&crate::Call, Error> {
        let call = self.calls.get(id).ok_or(Error::UnknownCall)?;
        match call.state {
            CallState::Active | CallState::Held if call.dialog.is_some() => Ok(call),
            state => Err(Error::WrongState { state: state.as_str() }),
        }
    }
}

/// Whether a NOTIFY or SUBSCRIBE is about a transfer.
pub(super) fn is_refer(request: &Request) -> bool {
    request.headers.get("Event").is_some_and(|event| of_token(event, "refer"))
}

/// Whether a header's value is `token`, parameters aside.
pub(super) fn of_token(value: &str, token: &str) -> bool {
    cut(value, b';').0.trim().eq_ignore_ascii_case(token)
}

/// A parameter of a header's value that is a token.
pub(super) fn param<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    Pieces::new(value, b';').skip(1).find_map(|piece| {
        let (key, value) = cut(piece, b'=');
        value.filter(|_| key.trim().eq_ignore_ascii_case(name)).map(str::trim)
    })
}

/// The `id` of an `Event` header.
fn event_id(event: &str) -> Option<&str> {
    param(event, "id")
}

/// The status line that a `message/sipfrag` starts with (RFC 3420 §2).
fn fragment(body: &[u8]) -> Option<(u16, String)> {
    let end = body.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(body.len());
    let line = String::from_utf8_lossy(&body[..end]);
    let mut words = line.trim().splitn(3, ' ');
    if !words.next()?.eq_ignore_ascii_case("SIP/2.0") {
        return None;
    }
    let status = decimal(words.next()?).filter(|status| (100..700).contains(status))?;
    Some((status as u16, words.next().unwrap_or("").to_owned()))
}

/// A stranger's text, without control characters and not too long.
fn bounded(text: &str) -> String {
    let mut out: String = text.chars().filter(|c| !c.is_control()).collect();
    while out.len() > MAX_REASON {
        out.pop();
    }
    out
}
