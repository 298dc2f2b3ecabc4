//! Requests of the network: calls that come in, and everything that is answered on the spot (RFC 3261 §8.2, §9.2, §11.2,
//! §12.2.2, §13.3).

use super::compose::{ACCEPT, ALLOW, asserted, description, reason_of};
use super::info::note_packages;
use super::transfer::is_refer;
use super::{Agent, Pending};
use crate::call::{Body, Call, CallId, CallState, Cause, Direction, Ending, Offer};
use crate::dialog::{Dialog, Order};
use crate::message::{Request, Response};
use crate::transaction::{Flow, ServerKey};
use crate::value::check_text;
use crate::{Error, Event, Facts, Instant, Method, Remote};

impl Agent {
    /// Tells the caller that it rings (180).
    ///
    /// # Errors
    /// [`Error::UnknownCall`]; [`Error::WrongState`] unless the call is incoming and not answered.
    pub fn ring(&mut self, now: Instant, call: CallId) -> Result<(), Error> {
        self.progress(now, call, 180, None)
    }

    /// Answers an incoming call (200). [`Event::Answered`] follows with the caller's ACK.
    ///
    /// # Errors
    /// [`Error::UnknownCall`]; [`Error::WrongState`] unless the call is incoming and not answered; [`Error::NotConnected`]
    /// while it rings without a connection; [`Error::Injection`] for a body type with control characters.
    pub fn answer(&mut self, now: Instant, call: CallId, answer: Body) -> Result<(), Error> {
        self.answer_as(now, call, answer, false)
    }

    /// The same for a phone that nobody has touched, as [`Facts::auto_answer`] asks for: a caller that has asked is told
    /// which it was (RFC 5373 §4.5).
    ///
    /// # Errors
    /// As [`Agent::answer`].
    pub fn answer_automatically(&mut self, now: Instant, call: CallId, answer: Body) -> Result<(), Error> {
        self.answer_as(now, call, answer, true)
    }

    fn answer_as(&mut self, now: Instant, call: CallId, answer: Body, automatic: bool) -> Result<(), Error> {
        if self.incoming(call)?.flow.is_none() {
            return Err(Error::NotConnected);
        }
        if let Some(call) = self.calls.get_mut(call) {
            call.automatic = automatic;
        }
        // An offer of ours that waits after a 491 would wait for ever.
        self.yield_offer(call);
        if !self.hold_answer(call, &answer)? {
            self.send_answer(now, call, answer)?;
        }
        self.shift(call, CallState::Answering)?;
        self.drain(now);
        Ok(())
    }

    /// Refuses an incoming call with a status from 300 to 699.
    ///
    /// # Errors
    /// [`Error::UnknownCall`]; [`Error::WrongState`] unless the call is incoming and not answered; [`Error::Status`];
    /// [`Error::Injection`] for a reason with control characters.
    pub fn reject(&mut self, now: Instant, call: CallId, status: u16, reason: Option<&str>) -> Result<(), Error> {
        if !(300..700).contains(&status) {
            return Err(Error::Status(status));
        }
        check_text("reason", reason.unwrap_or(""))?;
        self.incoming(call)?;
        self.refuse_offer(now, call, status, reason);
        self.finish(now, call, Ending { cause: Cause::Declined, status: Some(status), reason: None });
        self.drain(now);
        Ok(())
    }

    /// A new request, in the order of checks of §8.2.
    pub(super) fn on_request(&mut self, now: Instant, key: ServerKey, flow: Flow, request: Request) {
        if request.method == Method::Cancel {
            return self.on_cancel(now, key, &request);
        }
        let to_tag = request.to().ok().and_then(|to| to.tag().map(str::to_owned));
        let tag = match &to_tag {
            Some(tag) => tag.clone(),
            None => self.entropy.token(),
        };
        if let Some(mut refusal) = self.refusal(&request, &key, &tag) {
            if refusal.status == 405 || refusal.status == 501 {
                refusal.headers.push_parsed("Allow", ALLOW.to_owned());
            }
            return self.reply(now, key, refusal);
        }
        if request.method == Method::Notify && !is_refer(&request) {
            return self.on_notify(now, key, flow, &request, &tag);
        }
        if to_tag.is_some() {
            return self.on_dialog_request(now, key, flow, request, &tag);
        }
        match request.method {
            Method::Invite => self.on_invite(now, key, flow, request, &tag),
            Method::Options => self.reply_options(now, key, &request, &tag),
            Method::Message => self.on_message(now, None, key, &request, &tag),
            // A stranger does not send us anywhere.
            Method::Refer | Method::Subscribe => self.reply_status(now, key, &request, 403, &tag),
            // §15.1.2: a BYE outside a dialog. RFC 6665 §4.1.3: we hold no subscription.
            _ => self.reply_status(now, key, &request, 481, &tag),
        }
    }

    /// Sends the final answer to a request; its transaction can only be gone with its connection.
    pub(super) fn reply(&mut self, now: Instant, key: ServerKey, response: Response) {
        let _ = self.layer.respond(now, &key, response);
    }

    /// The call in whose dialog a request of the peer is (§12.2.2).
    pub(super) fn find_call(&self, request: &Request) -> Option<CallId> {
        let (to, from) = (request.to().ok()?, request.from().ok()?);
        let ours = |dialog: &Dialog| dialog.has(request.call_id(), to.tag(), from.tag());
        self.calls.find(|call| call.dialog.as_ref().is_some_and(ours) || call.early.iter().any(ours))
    }

    /// What a request is refused for before anybody looks at whom it is for (§8.2.1 to §8.2.3).
    fn refusal(&mut self, request: &Request, key: &ServerKey, tag: &str) -> Option<Response> {
        let status = match request.method {
            Method::Invite | Method::Ack | Method::Bye | Method::Cancel | Method::Options => None,
            Method::Info | Method::Message | Method::Refer | Method::Notify | Method::Prack | Method::Update => None,
            Method::Subscribe if is_refer(request) => None,
            // RFC 6665 §8.3.2: we serve no event package.
            Method::Subscribe => Some(489),
            Method::Other(_) => Some(501),
            _ => Some(405),
        };
        if let Some(status) = status {
            return Some(self.identity.response(request, status, None, tag));
        }
        // RFC 3891 §3: only a call can take the place of one.
        if request.method != Method::Invite && request.headers.get("Replaces").is_some() {
            return Some(self.identity.response(request, 400, None, tag));
        }
        if self.layer.is_merged(request, key) || self.is_looped(request) {
            return Some(self.identity.response(request, 482, None, tag));
        }
        // §8.2.2.3.
        let known = |tag: &&str| self.identity.knows(&request.method, tag);
        let unknown: Vec<&str> = request.headers.get_list("Require").filter(|tag| !known(tag)).collect();
        if !unknown.is_empty() {
            let mut response = self.identity.response(request, 420, None, tag);
            response.headers.push_parsed("Unsupported", unknown.join(", "));
            return Some(response);
        }
        // §21.4.6: what we answer an INVITE with is a session description, to who takes them (RFC 4475 §3.3.15).
        if request.method == Method::Invite && !takes_description(&request.headers) {
            return Some(self.identity.response(request, 406, None, tag));
        }
        // §8.2.3: a body that we cannot read, unless it may be ignored.
        let optional = request
            .headers
            .get("Content-Disposition")
            .is_some_and(|value| value.split(';').any(|it| it.trim().eq_ignore_ascii_case("handling=optional")));
        let encoded =
            request.headers.get("Content-Encoding").is_some_and(|coding| !coding.eq_ignore_ascii_case("identity"));
        let unread = description(&request.headers, &request.body).is_none();
        if request.method == Method::Invite && !request.body.is_empty() && !optional && (encoded || unread) {
            let mut response = self.identity.response(request, 415, None, tag);
            response.headers.push_parsed("Accept", ACCEPT.to_owned());
            response.headers.push_parsed("Accept-Encoding", "identity".to_owned());
            return Some(response);
        }
        None
    }

    fn on_dialog_request(&mut self, now: Instant, key: ServerKey, flow: Flow, request: Request, tag: &str) {
        let (Some(id), Ok(cseq)) = (self.find_call(&request), request.cseq()) else {
            if let Some(call) = self.ended_dialog(&request) {
                return match request.method {
                    Method::Notify => self.on_refer_notify(now, call, key, &request, tag),
                    _ => self.on_refer_subscribe(now, call, key, &request, tag),
                };
            }
            // §12.2.2: a dialog that we do not know, or know no more.
            return self.reply_status(now, key, &request, 481, tag);
        };
        let Some(call) = self.calls.get_mut(id) else { return };
        let Some(dialog) = call.dialog.as_mut() else {
            let tag_of = request.from().ok().and_then(|from| from.tag().map(str::to_owned));
            let early = call.early.iter_mut().find(|early| early.remote.tag() == tag_of.as_deref());
            if early.is_some_and(|dialog| dialog.receive(cseq.seq) == Order::Old) {
                return self.reply_status(now, key, &request, 500, tag);
            }
            // An early dialog: the INVITE that is in progress is ours (§14.2), and BYE is the caller's alone (§15).
            return match request.method {
                Method::Invite => self.reply_status(now, key, &request, 491, tag),
                Method::Update => self.on_update(now, id, key, flow, request, tag),
                Method::Options => self.reply_options(now, key, &request, tag),
                Method::Info => self.on_info(now, id, key, &request, tag),
                _ => self.reply_status(now, key, &request, 481, tag),
            };
        };
        if dialog.receive(cseq.seq) == Order::Old {
            return self.reply_status(now, key, &request, 500, tag);
        }
        // Where the peer's requests come over, ours go.
        call.flow = Some(flow);
        match request.method {
            Method::Invite => self.on_reinvite(now, id, key, flow, request, tag),
            Method::Update => self.on_update(now, id, key, flow, request, tag),
            Method::Bye => self.on_bye(now, id, key, &request, tag),
            Method::Info => self.on_info(now, id, key, &request, tag),
            Method::Prack => self.on_prack(now, id, key, flow, &request, tag),
            Method::Refer => self.on_refer(now, id, key, &request, tag),
            // One of another package was dealt with before.
            Method::Notify => self.on_refer_notify(now, id, key, &request, tag),
            Method::Message => self.on_message(now, Some(id), key, &request, tag),
            Method::Subscribe => self.on_refer_subscribe(now, id, key, &request, tag),
            _ => self.reply_options(now, key, &request, tag),
        }
    }

    fn on_invite(&mut self, now: Instant, key: ServerKey, flow: Flow, request: Request, tag: &str) {
        if self.calls.len() >= self.max_calls {
            return self.reply_status(now, key, &request, 486, tag);
        }
        let replaces = match self.replaced(&request) {
            Ok(replaces) => replaces,
            Err(status) => return self.reply_status(now, key, &request, status, tag),
        };
        // The name is taken for good once it is clear that there is a call.
        let Ok(mut call) = Call::invited(CallId(self.next_id + 1), &request, tag) else {
            return self.reply_status(now, key, &request, 400, tag);
        };
        if let Some(refusal) = self.too_short(&request, tag) {
            return self.reply(now, key, refusal);
        }
        let id = CallId(self.take_id());
        call.replaces = replaces;
        call.flow = Some(flow);
        let offer = description(&request.headers, &request.body);
        call.offer = Some(Offer::new(key, flow, request, offer.clone()));
        self.calls.insert(id, call);
        self.events.push_back(Event::Incoming { call: id, offer });
        // Who takes the place of a call does not wait for somebody to come to the telephone.
        if self.auto_ring && replaces.is_none() {
            // The transaction is new: it takes a 180, unless that would have to bring an offer.
            let _ = self.ring(now, id);
        }
    }

    /// §9.2: CANCEL is answered by itself, and what it is about by 487, if that had no final answer yet.
    fn on_cancel(&mut self, now: Instant, key: ServerKey, request: &Request) {
        let Some(invite) = self.layer.invite_of_cancel(request) else {
            let tag = self.entropy.token();
            return self.reply_status(now, key, request, 481, &tag);
        };
        let waits = self.calls.find(|call| call.offer.as_ref().is_some_and(|offer| offer.key == invite));
        let local = waits.and_then(|id| self.calls.get(id)).and_then(|call| call.dialog.as_ref());
        // "The To tag of the response to the CANCEL and that in the response to the original request SHOULD be the same."
        let tag = match local.and_then(|dialog| dialog.local.tag()) {
            Some(tag) => tag.to_owned(),
            None => self.entropy.token(),
        };
        self.reply_status(now, key, request, 200, &tag);
        // Without one that waits, our 200 and the CANCEL have crossed: the caller sends BYE.
        let Some(id) = waits else { return };
        self.refuse_offer(now, id, 487, None);
        let (reason, elsewhere) = reason_of(&request.headers);
        let cause = if elsewhere { Cause::AnsweredElsewhere } else { Cause::Missed };
        self.withdraw(now, id, Ending { cause, status: None, reason });
    }

    fn on_bye(&mut self, now: Instant, id: CallId, key: ServerKey, request: &Request, tag: &str) {
        self.reply_status(now, key, request, 200, tag);
        let (reason, elsewhere) = reason_of(&request.headers);
        let cause = match self.calls.get(id).map(|call| call.state) {
            // §15: the caller may end its early dialog by BYE.
            Some(CallState::Incoming) if elsewhere => Cause::AnsweredElsewhere,
            Some(CallState::Incoming) => Cause::Missed,
            _ => Cause::RemoteHangup,
        };
        self.finish(now, id, Ending { cause, status: None, reason });
    }

    /// §11.2: what an INVITE could count on.
    fn reply_options(&mut self, now: Instant, key: ServerKey, request: &Request, tag: &str) {
        let mut response = self.identity.response(request, 200, None, tag);
        self.identity.offer_contact(&mut response.headers);
        response.headers.push_parsed("Accept", ACCEPT.to_owned());
        response.headers.push_parsed("Accept-Encoding", "identity".to_owned());
        self.reply(now, key, response);
    }

    pub(super) fn reply_status(&mut self, now: Instant, key: ServerKey, request: &Request, status: u16, tag: &str) {
        let response = self.identity.response(request, status, None, tag);
        self.reply(now, key, response);
    }

    /// Whether a request is one of ours that came back (§8.2.2.2 knows only those that came twice): with our own Via, or
    /// out of an exchange that runs.
    fn is_looped(&self, request: &Request) -> bool {
        let ours = |pending: &Pending| {
            let tag = |request: &Request| request.from().ok().and_then(|from| from.tag().map(str::to_owned));
            pending.request.call_id() == request.call_id() && tag(&pending.request) == tag(request)
        };
        request.to().is_ok_and(|to| to.tag().is_none())
            && (self.identity.has_sent(request) || self.pending.find(ours).is_some())
    }

    pub(super) fn incoming(&self, id: CallId) -> Result<&Call, Error> {
        let call = self.calls.get(id).ok_or(Error::UnknownCall)?;
        if call.state == CallState::Incoming { Ok(call) } else { Err(Error::WrongState { state: call.state.as_str() }) }
    }
}

impl Call {
    /// The call that an INVITE makes, and whose dialog has this tag of ours.
    pub(super) fn invited(id: CallId, request: &Request, tag: &str) -> Result<Call, Error> {
        let dialog = Dialog::of_request(request, tag)?;
        let remote = match asserted(&request.headers) {
            Some(remote) => remote,
            None => Remote::from(request.from()?),
        };
        let mut call = Call::new(id, request.call_id().to_owned(), Direction::Inbound, remote);
        note_packages(&mut call, &request.headers);
        call.facts = Facts::of(&request.headers);
        call.dialog = Some(dialog);
        call.session.learn(&request.headers);
        Ok(call)
    }
}

/// Whether `Accept` allows a session description: by its default, by name or by a range (§20.1).
fn takes_description(headers: &crate::Headers) -> bool {
    let ranges = |range: &str| {
        let range = range.split(';').next().unwrap_or("").trim_end();
        [ACCEPT, "application/*", "*/*"].iter().any(|known| known.eq_ignore_ascii_case(range))
    };
    headers.get("Accept").is_none() || headers.get_list("Accept").any(ranges)
}
