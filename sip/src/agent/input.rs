//! What comes off the network, and where it came from (RFC 3261 §18.2.1, RFC 3581 §4).

use std::net::{IpAddr, SocketAddr};

use super::{Agent, MAX_EVENTS};
use crate::message::{Message, Request};
use crate::transaction::Flow;
use crate::{Headers, Instant};

impl Agent {
    /// One message off the network: a datagram or a WebSocket frame. What is not a message is counted, and answered
    /// when it is a request that can be.
    pub fn handle_input(&mut self, now: Instant, flow: Flow, bytes: &[u8]) {
        self.take_input(now, flow, bytes, |_| {});
    }

    /// The same where the driver knows the sender's address: the answer to a request says where it came from, so that
    /// it finds its way back through an address translator (`received` and `rport` of its `Via`).
    pub fn handle_input_from(&mut self, now: Instant, flow: Flow, source: SocketAddr, bytes: &[u8]) {
        self.take_input(now, flow, bytes, |request| note_source(&mut request.headers, source));
    }

    fn take_input(&mut self, now: Instant, flow: Flow, bytes: &[u8], note: impl Fn(&mut Request)) {
        if self.events.len() >= MAX_EVENTS {
            self.counters.dropped += 1;
            return;
        }
        // RFC 5626 §3.5.1: keep-alives are the driver's business.
        if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            return;
        }
        match crate::parse(bytes) {
            Ok(mut message) => {
                if let Message::Request(request) = &mut message {
                    note(request);
                }
                self.layer.handle_message(now, flow, self.identity.reliable, message);
            }
            Err(error) => {
                self.counters.malformed += 1;
                if let (Some(status), Some(mut request)) = (error.status, error.request) {
                    note(&mut request);
                    let tag = self.entropy.token();
                    let response = self.identity.response(&request, status, None, &tag);
                    self.layer.send(flow, &Message::Response(response));
                }
            }
        }
        self.drain(now);
    }
}

/// Writes the sender's address into the top `Via`, where that does not name it, or asks for it.
fn note_source(headers: &mut Headers, source: SocketAddr) {
    let Ok(mut via) = headers.top_via() else { return };
    let wanted = via.param("rport").is_some_and(|port| port.is_none());
    let host = via.host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    if !wanted && host == Ok(source.ip()) {
        return;
    }
    // RFC 3581 §4: with `rport` always both.
    via.set_param("received", Some(&source.ip().to_string()));
    if wanted {
        via.set_param("rport", Some(&source.port().to_string()));
    }
    let via = via.to_string();
    headers.pop_front("Via");
    // It was read, so it can be written.
    let _ = headers.push_front("Via", via);
}
