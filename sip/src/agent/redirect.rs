//! Redirection (RFC 3261 §8.1.3.4, §13.2.2.2, §21.3): sending a caller elsewhere, and going where we are sent.

use super::auth::Tried;
use super::{Agent, Pending, Purpose};
use crate::call::{CallId, CallState, Cause, Ending};
use crate::message::{Request, Response};
use crate::transaction::ClientKey;
use crate::value::decimal;
use crate::{Error, Event, Instant, NameAddr, Uri};

/// Targets of one call, those that were tried and those that wait.
const MAX_TARGETS: usize = 16;

/// Where a call may still go.
#[derive(Debug, Clone)]
pub(crate) struct Redirects {
    /// Targets that may be tried yet.
    pub(super) left: u8,
    /// Those that were: each is tried once.
    tried: Vec<Uri>,
    /// Those that wait, the best first.
    next: Vec<(u16, Uri)>,
}

impl Redirects {
    /// `left`: how many targets may be tried after the first one, which is `target`.
    pub(super) fn new(left: u8, target: Uri) -> Redirects {
        Redirects { left, tried: vec![target], next: Vec::new() }
    }

    /// Takes the contacts of a 3xx, for a call that began with `scheme`.
    fn take(&mut self, response: &Response, secure: bool) {
        for contact in response.contacts() {
            // §8.1.3.4: who wanted a secure way does not go by another one.
            let usable = if secure { contact.uri.scheme == rsip::Scheme::Sips } else { contact.uri.is_sip() };
            let quality = quality(&contact);
            let uri = bare(contact);
            let known = self.tried.iter().chain(self.next.iter().map(|(_, uri)| uri)).any(|it| it.equivalent(&uri));
            if usable && !known && self.tried.len() + self.next.len() < MAX_TARGETS {
                // Of equals the first goes first.
                let place = self.next.partition_point(|(better, _)| *better >= quality);
                self.next.insert(place, (quality, uri));
            }
        }
    }

    fn pop(&mut self) -> Option<Uri> {
        if self.left == 0 || self.next.is_empty() {
            return None;
        }
        self.left -= 1;
        let (_, uri) = self.next.remove(0);
        self.tried.push(uri.clone());
        Some(uri)
    }
}

impl Agent {
    /// Sends the caller of an incoming call to `target` (302); our end is over with [`Cause::Redirected`].
    ///
    /// # Errors
    /// [`Error::UnknownCall`]; [`Error::WrongState`] unless the call is incoming and not answered; [`Error::Malformed`],
    /// [`Error::Injection`] and [`Error::TooLong`] for a target that is none, as in [`Agent::call`].
    pub fn redirect(&mut self, now: Instant, call: CallId, target: &str) -> Result<(), Error> {
        let to = self.identity.target(target)?;
        self.incoming(call)?;
        let Some(of) = self.calls.get_mut(call) else { return Err(Error::UnknownCall) };
        if let (Some(offer), Some(dialog)) = (of.offer.take(), &of.dialog) {
            let tag = dialog.local.tag().unwrap_or("");
            let mut response = self.identity.response(&offer.request, 302, None, tag);
            response.headers.push_parsed("Contact", to.to_string());
            // Refused only when its connection took the transaction along.
            let _ = self.layer.respond(now, &offer.key, response);
        }
        self.finish(now, call, Ending { cause: Cause::Redirected, status: Some(302), reason: None });
        self.drain(now);
        Ok(())
    }

    /// Our INVITE was refused; whether it goes to another target instead.
    pub(super) fn goes_elsewhere(&mut self, now: Instant, key: ClientKey, id: CallId, response: &Response) -> bool {
        let Some(request) = self.pending.get(key).map(|pending| pending.request.clone()) else { return false };
        let Some(redirects) = self.calls.get_mut(id).and_then(|call| call.redirects.as_mut()) else { return false };
        match response.status {
            // 305 would have us trust another proxy, 380 is something else than a call.
            300..=302 => redirects.take(response, request.uri.scheme == rsip::Scheme::Sips),
            // §16.7, item 5: nobody else will answer either.
            303..=399 | 600.. => return false,
            _ => {}
        }
        self.try_next(now, id, request)
    }

    /// Sends an INVITE that came to nothing to the next target, if there is one.
    pub(super) fn try_next(&mut self, now: Instant, id: CallId, mut request: Request) -> bool {
        let Some(call) = self.calls.get_mut(id).filter(|call| call.state != CallState::Ending) else { return false };
        let Some(target) = call.redirects.as_mut().and_then(Redirects::pop) else { return false };
        // §8.1.3.4: To, From and Call-ID stay, the number grows.
        let Ok(mut cseq) = request.cseq() else { return false };
        cseq.seq = cseq.seq.saturating_add(1);
        if request.headers.set("CSeq", cseq.to_string()).is_err() {
            return false;
        }
        request.uri = target.clone();
        let pending = Pending { purpose: Purpose::Invite(id), request, tried: Tried::default() };
        let Ok(key) = self.send_request(now, pending) else { return false };
        if let Some(call) = self.calls.get_mut(id) {
            call.invite = Some(key);
            // §13.2.2.3: the early dialogs of a refused INVITE are over.
            call.early.clear();
        }
        self.events.push_back(Event::Redirected { call: id, target });
        true
    }
}

/// What may stand in a Request-URI: RFC 3261 §19.1.5 lets a URI bring headers along; whoever redirects us does not write
/// our INVITE.
fn bare(contact: NameAddr) -> Uri {
    let mut uri = contact.uri;
    uri.headers = None;
    uri.params.retain(|param| !param.name.eq_ignore_ascii_case("method"));
    uri
}

/// `q` in thousandths; one where there is none (RFC 3261 §20.10).
fn quality(contact: &NameAddr) -> u16 {
    let Some(text) = contact.param("q").flatten() else { return 1_000 };
    let (whole, part) = crate::scan::cut(text, b'.');
    let mut part = part.unwrap_or("").get(..3).unwrap_or(part.unwrap_or("")).to_owned();
    while part.len() < 3 {
        part.push('0');
    }
    match (decimal(whole), decimal(&part)) {
        (Some(0), Some(part)) => part as u16,
        (Some(_), _) => 1_000,
        _ => 0,
    }
}
