//! One WebSocket with subprotocol `sip` (RFC 7118).

use std::rc::Rc;

use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BinaryType, MessageEvent, WebSocket};

use crate::listener::Listener;

/// What a WebSocket tells.
pub enum Report {
    /// It is open; `sip`: the server agreed to speak SIP.
    Opened {
        /// The subprotocol that it chose is ours.
        sip: bool,
    },
    /// A frame came in, text or binary (RFC 7118 §5 allows both).
    Data(Vec<u8>),
    /// It is closed, or never opened.
    Closed,
}

/// A WebSocket that closes when it is dropped, and says nothing after that.
pub struct Link {
    socket: WebSocket,
    _listeners: [Listener; 3],
}

impl Link {
    /// Opens it.
    ///
    /// # Errors
    /// When the browser refuses the URL (mixed content, a port that is blocked).
    pub fn open(url: &str, report: Rc<dyn Fn(Report)>) -> Result<Link, JsValue> {
        let socket = WebSocket::new_with_str(url, "sip")?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let (opened, data, closed) = (report.clone(), report.clone(), report);
        let handle = socket.clone();
        let listeners = [
            Listener::new(&socket, "open", move |_| opened(Report::Opened { sip: handle.protocol() == "sip" })),
            Listener::new(&socket, "message", move |event| {
                let frame = event.unchecked_ref::<MessageEvent>().data();
                let bytes = match frame.as_string() {
                    Some(text) => text.into_bytes(),
                    None => match frame.dyn_into::<ArrayBuffer>() {
                        Ok(buffer) => Uint8Array::new(&buffer).to_vec(),
                        Err(_) => return,
                    },
                };
                data(Report::Data(bytes));
            }),
            // An `error` says nothing that the `close` behind it does not.
            Listener::new(&socket, "close", move |_| closed(Report::Closed)),
        ];
        Ok(Link { socket, _listeners: listeners })
    }

    /// Sends one message. What cannot be sent is lost: the `close` event tells.
    pub fn send(&self, message: &[u8]) {
        // Text where it is text (RFC 7118 §5), as some servers read no binary frames.
        let _ = match std::str::from_utf8(message) {
            Ok(text) => self.socket.send_with_str(text),
            Err(_) => self.socket.send_with_u8_array(message),
        };
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let _ = self.socket.close();
    }
}
