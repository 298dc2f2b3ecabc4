//! Between a phone and its server: passes on, changes, adds, or goes silent while the connection stays open.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio::task::AbortHandle;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use crate::fault::accept;

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the phone.
    ToServer,
    /// From the server.
    ToPhone,
}

/// What becomes of a message: those that leave instead of it, each its way.
type Edit = dyn Fn(Way, String) -> Vec<(Way, String)> + Send + Sync;

/// A relay until this is dropped.
pub struct Relay {
    addr: SocketAddr,
    task: AbortHandle,
    /// Connections with a smaller number pass nothing on any more.
    silent: watch::Sender<usize>,
    connections: Arc<AtomicUsize>,
    /// Connections are dropped, and new ones refused.
    cut: watch::Sender<bool>,
    inject: broadcast::Sender<String>,
}

impl Relay {
    /// Starts it in front of `server`, a `ws://` URL.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(
        server: &str,
        edit: impl Fn(Way, String) -> Vec<(Way, String)> + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let (silent, hush) = watch::channel(0);
        let (cut, is_cut) = watch::channel(false);
        let (inject, _) = broadcast::channel(16);
        let connections = Arc::new(AtomicUsize::new(0));
        let (server, edit): (String, Arc<Edit>) = (server.to_owned(), Arc::new(edit));
        let (counter, added) = (Arc::clone(&connections), inject.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counter.fetch_add(1, Ordering::SeqCst);
                let mut is_cut = is_cut.clone();
                let (server, edit, hush, added) = (server.clone(), Arc::clone(&edit), hush.clone(), added.subscribe());
                tokio::spawn(async move {
                    tokio::select! {
                        biased;
                        _ = is_cut.wait_for(|cut| *cut) => {}
                        // Either side may go at any time; the test looks at what the phone makes of it.
                        _ = carry(stream, &server, &*edit, added, hush, number) => {}
                    }
                });
            }
        });
        Ok(Self { addr, task: task.abort_handle(), silent, connections, cut, inject })
    }

    /// Where phones connect.
    pub fn url(&self) -> String {
        format!("ws://{}/ws", self.addr)
    }

    /// Nothing passes any more on the connections that there are, though they stay open; new ones work.
    pub fn silence(&self) {
        self.silent.send_replace(self.connections.load(Ordering::SeqCst));
    }

    /// Drops the connections that there are and every new one, or takes new ones again.
    pub fn cut(&self, cut: bool) {
        self.cut.send_replace(cut);
    }

    /// Sends something to the phone.
    ///
    /// # Errors
    /// When no phone is connected.
    pub fn tell(&self, text: String) -> Result<()> {
        self.inject.send(text).map(drop).context("no phone is connected")
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(
    stream: TcpStream,
    server: &str,
    edit: &Edit,
    mut added: broadcast::Receiver<String>,
    mut hush: watch::Receiver<usize>,
    number: usize,
) -> Result<()> {
    let mut phone = accept(stream).await?;
    let mut request = server.into_client_request()?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("sip"));
    let (mut server, _) = connect_async(request).await?;
    loop {
        let (way, message) = tokio::select! {
            true = async { hush.wait_for(|silent| number < *silent).await.is_ok() } => std::future::pending().await,
            Some(message) = phone.next() => (Way::ToServer, message?),
            Some(message) = server.next() => (Way::ToPhone, message?),
            Ok(text) = added.recv() => {
                phone.send(Message::text(text)).await?;
                continue;
            }
            else => return Ok(()),
        };
        if !(message.is_text() || message.is_binary()) {
            continue;
        }
        let text = String::from_utf8_lossy(&message.into_data()).into_owned();
        for (way, text) in edit(way, text) {
            match way {
                Way::ToServer => server.send(Message::text(text)).await?,
                Way::ToPhone => phone.send(Message::text(text)).await?,
            }
        }
    }
}

/// The message with another body, whose length its header tells.
pub fn with_body(message: &str, body: &str) -> String {
    let head = message.split_once("\r\n\r\n").map_or(message, |(head, _)| head);
    let kept = head.lines().filter(|line| {
        let name = line.split(':').next().unwrap_or_default().trim();
        !name.eq_ignore_ascii_case("content-length") && !name.eq_ignore_ascii_case("l")
    });
    let head: Vec<&str> = kept.collect();
    format!("{}\r\nContent-Length: {}\r\n\r\n{body}", head.join("\r\n"), body.len())
}

#[cfg(test)]
mod tests {
    use super::with_body;

    #[test]
    fn a_new_body_has_its_own_length() {
        let message = "INFO sip:a SIP/2.0\r\nContent-Length: 100\r\nVia: x\r\n\r\nold";
        assert_eq!(with_body(message, "newer"), "INFO sip:a SIP/2.0\r\nVia: x\r\nContent-Length: 5\r\n\r\nnewer");
    }
}
