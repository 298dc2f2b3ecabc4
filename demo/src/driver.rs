//! The one owner of the SIP server's core and of the media peers behind extension 600.
//!
//! One mutation, then everything that follows from it: messages go to the connections' queues, events make and end
//! media peers, and the next deadline is waited for.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use axum::body::Bytes;
use rand::RngCore;
use soft_phone_sip::transaction::Flow;
use soft_phone_sip::{Instant, Transmit};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep_until;

use crate::connection::MAX_CONNECTIONS;
use crate::running::until;
use crate::server::{Config, Core, EchoId, Event};
use crate::{Error, User, echo};

/// Inputs that may wait; connections that are faster wait with them.
const QUEUE: usize = 256;

/// What reaches the driver.
#[derive(Debug)]
pub(crate) enum Input {
    /// A connection was opened; what is for it goes into the queue, which is dropped to close it.
    Connected { flow: Flow, outgoing: mpsc::Sender<Vec<u8>> },
    /// One message of a connection.
    Received { flow: Flow, bytes: Bytes },
    /// A connection is gone.
    Disconnected { flow: Flow },
    /// A media peer answered a further offer; `None` when it could not.
    EchoAnswered { call: EchoId, answer: Option<String> },
    /// A media peer is gone by itself.
    EchoLost { call: EchoId },
}

/// The way to the driver.
#[derive(Debug, Clone)]
pub(crate) struct Handle(mpsc::Sender<Input>);

impl Handle {
    /// Hands an input over, waiting while the driver is busy. False when it has stopped.
    pub(crate) async fn send(&self, input: Input) -> bool {
        self.0.send(input).await.is_ok()
    }
}

/// Starts the driver for `users`; media peers get ports of `ip`.
///
/// # Errors
/// [`Error::User`] for a name that cannot stand in a SIP message.
pub(crate) fn start(
    users: &[User],
    ip: IpAddr,
    stopped: watch::Receiver<bool>,
) -> Result<(Handle, JoinHandle<()>), Error> {
    let mut seed = [0; 32];
    rand::rng().fill_bytes(&mut seed);
    let config = Config { users: users.to_vec(), max_connections: MAX_CONNECTIONS };
    let core = Core::new(config, seed).map_err(|(name, source)| Error::User { name, source })?;
    let (sender, inputs) = mpsc::channel(QUEUE);
    let driver = Driver {
        core,
        ip,
        start: tokio::time::Instant::now(),
        connections: HashMap::new(),
        echoes: HashMap::new(),
        // Weak, so that the driver ends with the last connection's handle.
        handle: sender.downgrade(),
    };
    Ok((Handle(sender), tokio::spawn(driver.run(inputs, stopped))))
}

struct Driver {
    core: Core,
    ip: IpAddr,
    /// The origin of the core's time.
    start: tokio::time::Instant,
    connections: HashMap<Flow, mpsc::Sender<Vec<u8>>>,
    echoes: HashMap<EchoId, echo::Call>,
    handle: mpsc::WeakSender<Input>,
}

impl Driver {
    async fn run(mut self, mut inputs: mpsc::Receiver<Input>, stopped: watch::Receiver<bool>) {
        let stopped = until(stopped);
        tokio::pin!(stopped);
        loop {
            let deadline = self.core.poll_timeout().map(|at| self.start + Duration::from_micros(at.as_micros()));
            tokio::select! {
                input = inputs.recv() => match input {
                    Some(input) => self.take(input),
                    None => break,
                },
                () = wait(deadline) => {
                    let now = self.now();
                    self.core.handle_timeout(now);
                }
                () = &mut stopped => break,
            }
            self.drain();
        }
        let now = self.now();
        self.core.shutdown(now);
        // The connections' queues are dropped with the driver: each sends what is in its own, then closes.
        self.drain();
    }

    fn now(&self) -> Instant {
        let elapsed = self.start.elapsed().as_micros();
        Instant::from_micros(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    fn take(&mut self, input: Input) {
        let now = self.now();
        match input {
            Input::Connected { flow, outgoing } => {
                if self.core.handle_connected(flow) {
                    self.connections.insert(flow, outgoing);
                }
            }
            Input::Received { flow, bytes } => self.core.handle_input(now, flow, &bytes),
            Input::Disconnected { flow } => {
                self.connections.remove(&flow);
                self.core.handle_disconnected(now, flow);
            }
            Input::EchoAnswered { call, answer } => self.core.answer_echo(now, call, answer),
            Input::EchoLost { call } => {
                self.echoes.remove(&call);
                self.core.hang_up_echo(now, call);
            }
        }
    }

    /// Carries out all that the last mutation asked for, and what follows from that.
    fn drain(&mut self) {
        loop {
            while let Some(transmit) = self.core.poll_transmit() {
                self.send(transmit);
            }
            let Some(event) = self.core.poll_event() else { break };
            match event {
                Event::EchoOffer { call, offer } => self.answer(call, offer),
                Event::EchoEnded { call } => drop(self.echoes.remove(&call)),
                Event::Close { flow, .. } => self.close(flow),
            }
        }
    }

    fn send(&mut self, Transmit { flow, payload }: Transmit) {
        let Some(outgoing) = self.connections.get(&flow) else { return };
        if outgoing.try_send(payload).is_err() {
            // Gone, or so slow that its queue is full: SIP cannot do without the message, so not with the connection.
            self.close(flow);
        }
    }

    fn close(&mut self, flow: Flow) {
        self.connections.remove(&flow);
        let now = self.now();
        self.core.handle_disconnected(now, flow);
    }

    /// Makes a media peer for a new call, or hands a further offer to the one that it has.
    fn answer(&mut self, call: EchoId, offer: String) {
        let Some(sender) = self.handle.upgrade() else { return };
        if let Some(echo) = self.echoes.get(&call) {
            let answered = echo.reoffer(offer);
            tokio::spawn(async move {
                let answer = answered.await.ok().and_then(Result::ok);
                // The driver has stopped otherwise.
                let _ = sender.send(Input::EchoAnswered { call, answer }).await;
            });
            return;
        }
        let now = self.now();
        match echo::Call::start(self.ip, &offer) {
            Ok((echo, answer, ended)) => {
                self.echoes.insert(call, echo);
                self.core.answer_echo(now, call, Some(answer));
                let sender = sender.downgrade();
                tokio::spawn(async move {
                    if ended.await.is_ok()
                        && let Some(sender) = sender.upgrade()
                    {
                        let _ = sender.send(Input::EchoLost { call }).await;
                    }
                });
            }
            Err(error) => {
                eprintln!("soft-phone-demo: no echo: {error}");
                self.core.answer_echo(now, call, None);
            }
        }
    }
}

async fn wait(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
