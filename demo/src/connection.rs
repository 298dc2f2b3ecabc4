//! One WebSocket of a phone (RFC 7118): its handshake, its bounds, its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use soft_phone_sip::transaction::Flow;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::allowance::Allowance;
use crate::driver::{Handle, Input};
use crate::http::{Site, is_origin_allowed, text};

/// The subprotocol that both sides must name (RFC 7118 §4.1).
const PROTOCOL: &str = "sip";

/// Connections at once, over all phones.
pub(crate) const MAX_CONNECTIONS: usize = 64;

/// The longest message, in bytes; the parser's own bound.
const MAX_MESSAGE: usize = 65_536;

/// Messages that may wait for a slow reader before its connection is given up.
const QUEUE: usize = 64;

/// How long one message may take to be written.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that is silent gets a WebSocket ping after one of these and is closed after three.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// Messages a second, in the long run.
const RATE: f64 = 50.0;

/// Messages at once, after a pause.
const BURST: f64 = 200.0;

/// Lets phones in.
pub(crate) struct Gate {
    driver: Handle,
    room: Arc<Semaphore>,
    next: AtomicU64,
}

impl Gate {
    /// `room` has [`MAX_CONNECTIONS`] permits, all of them back once the last connection is gone.
    pub(crate) fn new(driver: Handle, room: Arc<Semaphore>) -> Gate {
        Gate { driver, room, next: AtomicU64::new(1) }
    }
}

/// `GET /ws`: only pages of this machine, only SIP, and not too many.
pub(crate) async fn upgrade(State(site): State<Arc<Site>>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    if !is_origin_allowed(&headers) {
        return text(StatusCode::FORBIDDEN, "this server is for pages of this machine");
    }
    let upgrade = upgrade.protocols([PROTOCOL]).max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE);
    if upgrade.selected_protocol().is_none() {
        return text(StatusCode::BAD_REQUEST, "the WebSocket subprotocol must be \"sip\" (RFC 7118 section 4.1)");
    }
    let Ok(permit) = site.gate.room.clone().try_acquire_owned() else {
        return text(StatusCode::SERVICE_UNAVAILABLE, "too many connections");
    };
    let flow = Flow(site.gate.next.fetch_add(1, Ordering::Relaxed));
    let driver = site.gate.driver.clone();
    upgrade.on_upgrade(move |socket| async move {
        serve(socket, flow, driver).await;
        drop(permit);
    })
}

/// Why a connection ends from this side.
struct End {
    code: u16,
    reason: &'static str,
}

async fn serve(mut socket: WebSocket, flow: Flow, driver: Handle) {
    let (outgoing, queue) = mpsc::channel(QUEUE);
    if driver.send(Input::Connected { flow, outgoing }).await {
        let end = relay(&mut socket, flow, &driver, queue).await;
        driver.send(Input::Disconnected { flow }).await;
        if let Some(End { code, reason }) = end {
            let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
            // The other side may be gone, or not read: both are no loss.
            let _ = timeout(WRITE_TIMEOUT, socket.send(close)).await;
        }
    }
}

/// Carries messages both ways until one side ends it; `None` when the other one did, or cannot be told.
async fn relay(socket: &mut WebSocket, flow: Flow, driver: &Handle, mut queue: mpsc::Receiver<Vec<u8>>) -> Option<End> {
    let mut ping = interval(PING_INTERVAL);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    let mut allowance = Allowance::new(RATE, BURST, heard);
    loop {
        let message = tokio::select! {
            received = socket.recv() => {
                heard = Instant::now();
                let bytes = match received {
                    None | Some(Ok(Message::Close(_))) => return None,
                    // Too large, not masked, not UTF-8: the close frame says what the library found.
                    Some(Err(_)) => return Some(End { code: close_code::PROTOCOL, reason: "unacceptable frame" }),
                    // RFC 7118 §5.2: both kinds carry SIP.
                    Some(Ok(Message::Text(text))) => text.into(),
                    Some(Ok(Message::Binary(bytes))) => bytes,
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => axum::body::Bytes::new(),
                };
                if !allowance.take(heard) {
                    return Some(End { code: close_code::POLICY, reason: "too many messages" });
                }
                if !bytes.is_empty() && !driver.send(Input::Received { flow, bytes }).await {
                    return Some(End { code: close_code::AWAY, reason: "the server stops" });
                }
                continue;
            }
            payload = queue.recv() => match payload {
                Some(payload) => as_message(payload),
                // All that was queued has been sent: the driver has dropped this connection, or stopped.
                None => return Some(End { code: close_code::AWAY, reason: "closed by the server" }),
            },
            _ = ping.tick() => {
                if heard.elapsed() > PING_INTERVAL * 3 {
                    return Some(End { code: close_code::AWAY, reason: "no answer to pings" });
                }
                Message::Ping(axum::body::Bytes::new())
            }
        };
        match timeout(WRITE_TIMEOUT, socket.send(message)).await {
            Ok(Ok(())) => {}
            // Gone, or so slow that a close frame would not get through either.
            Ok(Err(_)) | Err(_) => return None,
        }
    }
}

/// A text message where the bytes allow it, as JavaScript phones expect.
fn as_message(payload: Vec<u8>) -> Message {
    match String::from_utf8(payload) {
        Ok(text) => Message::text(text),
        Err(error) => Message::binary(error.into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_utf_8_goes_as_binary() {
        assert!(matches!(as_message(b"OPTIONS".to_vec()), Message::Text(_)));
        assert!(matches!(as_message(vec![0xff]), Message::Binary(_)));
    }
}
