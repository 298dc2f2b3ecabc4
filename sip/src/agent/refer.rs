//! Calls that the other end asks us to make (RFC 3515 §2.4, RFC 5589): REFER, the driver's consent, the NOTIFYs on how the
//! new call goes.

use std::time::Duration;

use super::auth::Tried;
use super::transfer::{EXPIRES, MAX_EXPIRES, MAX_TRANSFERS, SIPFRAG, of_token, param};
use super::{Agent, CallOptions, Pending, Purpose, Timer};
use crate::call::{Body, CallId, CallState, Ending};
use crate::message::{Request, reason_phrase};
use crate::scan::{check_text, cut, decimal};
use crate::transaction::{Failure, ServerKey};
use crate::{Cause, Error, Event, Instant, Method, NameAddr, Remote, TransferId};

/// How long the driver may think about a transfer.
const DECIDE_WITHIN: Duration = Duration::from_secs(60);

/// Longest `Replaces` and `Referred-By` that are handed on, in bytes.
const MAX_HANDED_ON: usize = 1_024;

/// A REFER of the other end, until its subscription ends.
#[derive(Debug)]
pub(super) struct Transfer {
    /// In whose dialog it came; that call may be over.
    pub(super) call: CallId,
    /// `;id=…` of the NOTIFYs, or nothing.
    name: String,
    target: NameAddr,
    /// What goes into the INVITE: `Replaces`, `Require`, `Referred-By`.
    headers: Vec<(&'static str, String)>,
    /// The call that the driver made of it.
    made: Option<CallId>,
    until: Instant,
    /// The status that the last NOTIFY told, and the reason.
    told: (u16, String),
    /// What the next one will tell.
    next: Option<(u16, String)>,
    /// A NOTIFY is under way.
    running: bool,
    /// There is a subscription.
    watched: bool,
    /// It ends with the next NOTIFY, because the transferor wants no more.
    closing: bool,
}

impl Agent {
    /// Does what an [`Event::Transfer`] asks: calls its target, with `offer`. The other end is told how that goes; it
    /// ends the old call when the new one is answered.
    ///
    /// # Errors
    /// [`Error::UnknownTransfer`] when it was answered before, or is too old; else as [`Agent::call`], and the transfer
    /// waits on.
    pub fn accept_transfer(
        &mut self,
        now: Instant,
        transfer: TransferId,
        offer: Body,
        options: CallOptions,
    ) -> Result<CallId, Error> {
        let asked = self.undecided(transfer)?;
        let (to, headers) = (asked.target.clone(), asked.headers.clone());
        let call = self.place(now, to, offer, options, headers)?;
        self.timers.stop(Timer::Transfer(transfer));
        if let Some(asked) = self.transfers.get_mut(transfer) {
            asked.made = Some(call);
        }
        self.drain(now);
        Ok(call)
    }

    /// Does not do what an [`Event::Transfer`] asks; the call stays. 603 says that nobody here wanted it
    /// (RFC 3515 §2.4.5).
    ///
    /// # Errors
    /// [`Error::UnknownTransfer`] when it was answered before, or is too old; [`Error::Status`] outside 300 to 699.
    pub fn reject_transfer(&mut self, now: Instant, transfer: TransferId, status: u16) -> Result<(), Error> {
        if !(300..700).contains(&status) {
            return Err(Error::Status(status));
        }
        self.undecided(transfer)?;
        self.tell(now, transfer, status, reason_phrase(status));
        self.drain(now);
        Ok(())
    }

    /// A REFER in the dialog of a call.
    pub(super) fn on_refer(&mut self, now: Instant, id: CallId, key: ServerKey, request: &Request, tag: &str) {
        let (status, asked) = match self.read_refer(now, id, request) {
            Ok(asked) => (202, Some(asked)),
            Err(status) => (status, None),
        };
        let mut response = self.identity.response(request, status, None, tag);
        if asked.is_some() {
            self.identity.add_contact(&mut response.headers);
        }
        // RFC 4488 §4: who wants no reports gets none.
        let watched = !request.headers.get("Refer-Sub").is_some_and(|value| of_token(value, "false"));
        if !watched && asked.is_some() {
            response.headers.push_parsed("Refer-Sub", "false".to_owned());
        }
        self.reply(now, key, response);
        let Some((mut asked, referred_by)) = asked else { return };
        asked.watched = watched;
        let target = Remote::from(asked.target.clone());
        let replaces = asked.headers.iter().any(|(name, _)| *name == "Replaces");
        let transfer = TransferId(self.take_id());
        self.timers.set(Timer::Transfer(transfer), now + DECIDE_WITHIN);
        self.transfers.insert(transfer, asked);
        self.events.push_back(Event::Transfer { call: id, transfer, target, replaces, referred_by });
        // RFC 3515 §2.4.4: the first NOTIFY goes out at once.
        self.tell(now, transfer, 100, reason_phrase(100));
    }

    /// What a REFER asks for, and who; or the status that it is refused with.
    fn read_refer(
        &mut self,
        now: Instant,
        id: CallId,
        request: &Request,
    ) -> Result<(Transfer, Option<Box<Remote>>), u16> {
        let full = self.transfers.len() >= MAX_TRANSFERS;
        let call = self.calls.get_mut(id).ok_or(481_u16)?;
        match call.state {
            CallState::Answering | CallState::Active | CallState::Held => {}
            CallState::Ending | CallState::Ended => return Err(481),
            _ => return Err(403),
        }
        // RFC 3515 §2.4.2: exactly one.
        let mut targets = request.headers.get_list("Refer-To");
        let (Some(target), None) = (targets.next(), targets.next()) else { return Err(400) };
        let mut target = NameAddr::from_wire(target).map_err(|_| 400_u16)?;
        let method = target.uri.param("method").flatten();
        if method.is_some_and(|method| method != Method::Invite.as_str()) {
            // Whoever is at the other end does not choose what we send: we make calls, no more.
            return Err(403);
        }
        let mut headers = Vec::new();
        let asked = target.uri.headers.take();
        for header in asked.as_deref().unwrap_or("").split('&') {
            let (name, value) = cut(header, b'=');
            let value = crate::uri::unescape(value.unwrap_or("")).into_owned();
            // RFC 3261 §19.1.5: only what a transfer needs, nothing that would make the INVITE say something else.
            let kept = match name {
                _ if name.eq_ignore_ascii_case("Replaces") => "Replaces",
                _ if name.eq_ignore_ascii_case("Require") && value.eq_ignore_ascii_case("replaces") => "Require",
                _ => continue,
            };
            let twice = headers.iter().any(|(name, _)| *name == kept);
            if twice || value.len() > MAX_HANDED_ON || check_text(kept, &value).is_err() {
                return Err(400);
            }
            headers.push((kept, value));
        }
        let target = self.identity.target(&target_text(target)).map_err(|_| 416_u16)?;
        let referred_by = request.headers.get("Referred-By").filter(|value| value.len() <= MAX_HANDED_ON);
        let mut referred_by = referred_by.and_then(|value| NameAddr::from_wire(value).ok());
        if let Some(name) = &mut referred_by {
            // RFC 3892 §2.2: the target learns who sent us. A signature in the body does not come along.
            name.params.retain(|param| !param.name.eq_ignore_ascii_case("cid"));
            headers.push(("Referred-By", name.to_string()));
        }
        let remote = referred_by.map(|name| Box::new(Remote::from(name)));
        if full {
            return Err(486);
        }
        let seq = request.cseq().map_err(|_| 400_u16)?.seq;
        // RFC 3515 §2.4.6: the second REFER of a dialog and those after it have names.
        let name = if call.referred { [";id=", &seq.to_string()].concat() } else { String::new() };
        call.referred = true;
        let asked = Transfer {
            call: id,
            name,
            target,
            headers,
            made: None,
            until: now + DECIDE_WITHIN + self.ring_timeout,
            told: (0, String::new()),
            next: None,
            running: false,
            watched: true,
            closing: false,
        };
        Ok((asked, remote))
    }

    /// A SUBSCRIBE to the reports on a transfer: for longer, or, with an expiry of zero, no more (RFC 3515 §2.4.4).
    pub(super) fn on_refer_subscribe(
        &mut self,
        now: Instant,
        call: CallId,
        key: ServerKey,
        request: &Request,
        tag: &str,
    ) {
        let id = request.headers.get("Event").and_then(|event| param(event, "id"));
        let name = id.map(|id| [";id=", id].concat()).unwrap_or_default();
        let of = |transfer: &Transfer| transfer.call == call && transfer.watched && transfer.name == name;
        let Some(id) = self.transfers.find(of) else {
            return self.reply_status(now, key, request, 481, tag);
        };
        let Some(transfer) = self.transfers.get_mut(id) else { return };
        let asked = request.headers.get("Expires").and_then(decimal).unwrap_or(EXPIRES).min(MAX_EXPIRES);
        transfer.closing |= asked == 0;
        transfer.until = now + Duration::from_secs(asked);
        // RFC 6665 §4.2.1.2: each SUBSCRIBE is followed by a NOTIFY.
        if transfer.next.is_none() {
            transfer.next = Some(transfer.told.clone());
        }
        let mut response = self.identity.response(request, 200, None, tag);
        self.identity.add_contact(&mut response.headers);
        response.headers.push_parsed("Expires", asked.to_string());
        self.reply(now, key, response);
        self.send_notify(now, id);
    }

    /// A call has got an answer that its transferor wants to hear of.
    pub(super) fn tell_transferor(&mut self, now: Instant, call: CallId, status: u16, reason: &str) {
        if let Some(transfer) = self.transfers.find(|transfer| transfer.made == Some(call)) {
            self.tell(now, transfer, status, reason);
        }
    }

    /// A call is over; if it never was answered, its transferor hears why.
    pub(super) fn tell_end(&mut self, now: Instant, call: CallId, ending: &Ending) {
        let status = ending.status.unwrap_or(match ending.cause {
            Cause::NoAnswer => 408,
            Cause::Network => 503,
            _ => 487,
        });
        let reason = ending.reason.as_deref().filter(|_| ending.status.is_some());
        self.tell_transferor(now, call, status, reason.unwrap_or_else(|| reason_phrase(status)));
    }

    /// Nobody decided in time.
    pub(super) fn give_up_transfer(&mut self, now: Instant, id: TransferId) {
        self.tell(now, id, 408, reason_phrase(408));
    }

    /// Puts a status into the next NOTIFY. One goes at a time, so that they arrive in order; a later status takes the
    /// place of one that has not left yet.
    fn tell(&mut self, now: Instant, id: TransferId, status: u16, reason: &str) {
        let Some(transfer) = self.transfers.get_mut(id) else { return };
        let latest = transfer.next.as_ref().unwrap_or(&transfer.told).0;
        if latest >= 200 || latest == status {
            return;
        }
        transfer.next = Some((status, reason.to_owned()));
        if status >= 200 {
            self.timers.stop(Timer::Transfer(id));
        }
        self.send_notify(now, id);
    }

    /// Sends the NOTIFY that waits, or leaves it to the next connection.
    fn send_notify(&mut self, now: Instant, id: TransferId) {
        let Some(transfer) = self.transfers.get_mut(id).filter(|transfer| !transfer.running) else { return };
        if !transfer.watched {
            return self.settle(id);
        }
        if self.flow.is_none() {
            return;
        }
        let Some((status, reason)) = transfer.next.take() else { return };
        let (call, name, left) = (transfer.call, transfer.name.clone(), transfer.until.saturating_duration_since(now));
        transfer.told = (status, reason.clone());
        let closing = transfer.closing;
        let Some(dialog) = self.dialog_mut(call) else { return self.settle(id) };
        let mut request = dialog.request(Method::Notify);
        self.identity.add_contact(&mut request.headers);
        let headers = &mut request.headers;
        headers.push_parsed("Event", ["refer", &name].concat());
        let state = match status {
            // RFC 3515 §2.4.7.
            200.. => "terminated;reason=noresource".to_owned(),
            _ if closing => "terminated;reason=timeout".to_owned(),
            _ => ["active;expires=", &left.as_secs().to_string()].concat(),
        };
        headers.push_parsed("Subscription-State", state);
        headers.push_parsed("Content-Type", [SIPFRAG, ";version=2.0"].concat());
        request.body = ["SIP/2.0 ", &status.to_string(), " ", &reason, "\r\n"].concat().into_bytes();
        let pending = Pending { purpose: Purpose::Notify(id), request, tried: Tried::default() };
        let sent = self.send_request(now, pending).is_ok();
        if let Some(transfer) = self.transfers.get_mut(id) {
            transfer.running = sent;
            transfer.watched = !(sent && closing);
            if !sent {
                transfer.next = Some(std::mem::take(&mut transfer.told));
            }
        }
    }

    /// The final answer to a NOTIFY.
    pub(super) fn on_notify_answer(&mut self, now: Instant, id: TransferId, status: u16) {
        let Some(transfer) = self.transfers.get_mut(id) else { return };
        transfer.running = false;
        // RFC 6665 §4.2.2: after a refusal nobody listens any more.
        transfer.watched &= status < 300;
        self.send_notify(now, id);
        self.settle(id);
    }

    /// A NOTIFY will not be answered.
    pub(super) fn on_notify_failed(&mut self, now: Instant, id: TransferId, failure: Failure) {
        if failure == Failure::Timeout {
            return self.on_notify_answer(now, id, 408);
        }
        // The connection took it along: again with another one.
        let Some(transfer) = self.transfers.get_mut(id) else { return };
        transfer.running = false;
        let told = std::mem::take(&mut transfer.told);
        transfer.next.get_or_insert(told);
        self.send_notify(now, id);
    }

    /// There is a connection again.
    pub(super) fn resume_notifies(&mut self, now: Instant) {
        for id in self.transfers.keys(|transfer| transfer.next.is_some()) {
            self.send_notify(now, id);
        }
    }

    /// Forgets a transfer of which everything has been told, or of which nobody wants to hear and the call is made.
    fn settle(&mut self, id: TransferId) {
        let Some(transfer) = self.transfers.get(id) else { return };
        let last = transfer.next.as_ref().unwrap_or(&transfer.told).0;
        if last >= 200 && !transfer.running && (transfer.next.is_none() || !transfer.watched) {
            let call = transfer.call;
            self.timers.stop(Timer::Transfer(id));
            self.transfers.remove(id);
            self.forget_dialog(call);
        }
    }

    fn undecided(&self, id: TransferId) -> Result<&Transfer, Error> {
        let open =
            |transfer: &&Transfer| transfer.made.is_none() && transfer.next.as_ref().unwrap_or(&transfer.told).0 < 200;
        self.transfers.get(id).filter(open).ok_or(Error::UnknownTransfer)
    }
}

/// A target as a user would write it.
fn target_text(mut target: NameAddr) -> String {
    target.params.clear();
    target.to_string()
}
