//! Dialogs (RFC 3261 §12): what the requests of a call have in common.

use crate::message::{Request, Response};
use crate::{CSeq, Error, Headers, Method, NameAddr, Uri};

/// Elements of a route set that are kept; no real path is longer.
const MAX_ROUTES: usize = 32;

/// One dialog, early or confirmed, from our side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dialog {
    pub(crate) call_id: String,
    /// Our From, with our tag.
    pub(crate) local: NameAddr,
    /// The peer's To, with its tag; a peer of RFC 2543 has none.
    pub(crate) remote: NameAddr,
    /// Where requests go: the peer's Contact.
    pub(crate) target: Uri,
    /// What they pass, in the order in which they pass it.
    pub(crate) routes: Vec<NameAddr>,
    pub(crate) local_seq: u32,
    /// `None` until the peer's first request.
    pub(crate) remote_seq: Option<u32>,
    /// Of the peer's last provisional answer that we acknowledged (RFC 3262 §4).
    pub(crate) rseq: Option<u32>,
}

/// How a request of the peer stands to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Next,
    /// RFC 3261 §12.2.2: answered with 500.
    Old,
}

impl Dialog {
    /// The dialog that a response to our INVITE makes (RFC 3261 §12.1.2).
    pub(crate) fn of_response(invite: &Request, response: &Response) -> Result<Dialog, Error> {
        let mut routes = recorded(&response.headers);
        routes.reverse();
        Ok(Dialog {
            call_id: invite.call_id().to_owned(),
            local: invite.from()?,
            remote: response.to()?,
            target: contact_of(response.contacts()).unwrap_or_else(|| invite.uri.clone()),
            routes,
            local_seq: invite.cseq()?.seq,
            remote_seq: None,
            rseq: None,
        })
    }

    /// The dialog that our response to an INVITE makes (RFC 3261 §12.1.1).
    pub(crate) fn of_request(invite: &Request, local_tag: &str) -> Result<Dialog, Error> {
        let mut local = invite.to()?;
        local.set_tag(local_tag);
        let remote = invite.from()?;
        let routes = recorded(&invite.headers);
        // §8.1.1.8 asks for a Contact; a caller without one is reached by its name, if that is an address.
        let from = Some(remote.uri.clone()).filter(Uri::is_sip);
        Ok(Dialog {
            call_id: invite.call_id().to_owned(),
            target: contact_of(invite.contacts()).or(from).ok_or(Error::Missing { header: "Contact" })?,
            local,
            remote,
            routes,
            local_seq: 0,
            remote_seq: Some(invite.cseq()?.seq),
            rseq: None,
        })
    }

    /// Whether a request of the peer is in this dialog (RFC 3261 §12.2.2).
    pub(crate) fn has(&self, call_id: &str, local_tag: Option<&str>, remote_tag: Option<&str>) -> bool {
        self.call_id == call_id && self.local.tag() == local_tag && self.remote.tag() == remote_tag
    }

    /// Notes the number of a request of the peer.
    pub(crate) fn receive(&mut self, seq: u32) -> Order {
        if self.remote_seq.is_some_and(|last| seq < last) {
            return Order::Old;
        }
        self.remote_seq = Some(seq);
        Order::Next
    }

    /// INVITE and its 2xx move the peer's target (RFC 3261 §12.2.1.2, §12.2.2).
    pub(crate) fn refresh_target(&mut self, contacts: Vec<NameAddr>) {
        if let Some(target) = contact_of(contacts) {
            self.target = target;
        }
    }

    /// A request with the next number (RFC 3261 §12.2.1.1); the caller adds Via and what the method needs.
    pub(crate) fn request(&mut self, method: Method) -> Request {
        self.local_seq = self.local_seq.saturating_add(1);
        self.numbered(method, self.local_seq)
    }

    /// The same with a number of the caller's: the ACK of a 2xx has the INVITE's (§13.2.2.4).
    pub(crate) fn numbered(&self, method: Method, seq: u32) -> Request {
        let cseq = CSeq { seq, method: method.clone() };
        let mut request = Request::new(method, self.target.clone());
        let mut routes: Vec<&NameAddr> = self.routes.iter().collect();
        let target = NameAddr { display_name: None, uri: self.target.clone(), params: Vec::new() };
        if let Some(first) = self.routes.first()
            && first.uri.param("lr").is_none()
        {
            // A strict router of RFC 2543: it stands in the Request-URI, the target at the end of the route.
            request.uri = first.uri.clone();
            request.uri.headers = None;
            routes.remove(0);
            routes.push(&target);
        }
        for route in routes {
            request.headers.push_parsed("Route", route.to_string());
        }
        request.headers.push_parsed("From", self.local.to_string());
        request.headers.push_parsed("To", self.remote.to_string());
        request.headers.push_parsed("Call-ID", self.call_id.clone());
        request.headers.push_parsed("CSeq", cseq.to_string());
        request
    }
}

/// The path that a message recorded, as far as we can take it.
fn recorded(headers: &Headers) -> Vec<NameAddr> {
    headers.routes("Record-Route").into_iter().filter(|route| route.uri.is_sip()).take(MAX_ROUTES).collect()
}

/// The first Contact that we can send to, fit for a Request-URI (RFC 3261 §19.1.1: no headers, no `method`).
fn contact_of(contacts: Vec<NameAddr>) -> Option<Uri> {
    let mut uri = contacts.into_iter().find(|contact| contact.uri.is_sip())?.uri;
    uri.headers = None;
    uri.params.retain(|param| !param.name.eq_ignore_ascii_case("method"));
    Some(uri)
}
