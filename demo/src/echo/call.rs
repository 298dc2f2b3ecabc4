//! Runs one echo peer on a UDP socket of its own.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep_until;

use super::{Action, Echo, Error};

/// Room for the largest datagram of WebRTC, which keeps below the path's MTU.
const DATAGRAM: usize = 2_048;

/// How many further offers of one call may wait.
const QUEUE: usize = 4;

/// The peer behind a call is gone: its time ran out, or it closed its DTLS association.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended;

/// A running echo peer. Dropping it ends the media.
#[derive(Debug)]
pub struct Call {
    offers: mpsc::Sender<Offer>,
}

struct Offer {
    sdp: String,
    answer: oneshot::Sender<Result<String, Error>>,
}

impl Call {
    /// Answers `offer` on a fresh UDP port of `ip` and runs the peer until it is dropped or its media dies; returns
    /// the call, the answer, and what tells of the media's death. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Those of [`Echo::accept`], and [`Error::Socket`].
    pub fn start(ip: IpAddr, offer: &str) -> Result<(Call, String, oneshot::Receiver<Ended>), Error> {
        let socket = bind(ip).map_err(Error::Socket)?;
        let local = socket.local_addr().map_err(Error::Socket)?;
        let (echo, answer) = Echo::accept(Instant::now(), local, offer)?;
        let (offers, waiting) = mpsc::channel(QUEUE);
        let (ended, end) = oneshot::channel();
        tokio::spawn(async move {
            if run(echo, socket, waiting).await {
                // Nobody waits any more when the call was hung up at the same moment.
                let _ = ended.send(Ended);
            }
        });
        Ok((Call { offers }, answer, end))
    }

    /// Hands a further offer to the peer. The receiver yields the answer, or closes when the peer is gone or too many
    /// offers wait.
    pub fn reoffer(&self, sdp: String) -> oneshot::Receiver<Result<String, Error>> {
        let (answer, receiver) = oneshot::channel();
        // A full or closed queue drops `answer`, which is what the caller then sees.
        let _ = self.offers.try_send(Offer { sdp, answer });
        receiver
    }
}

fn bind(ip: IpAddr) -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind(SocketAddr::new(ip, 0))?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

/// The run loop: one mutation, then everything that follows from it. True when the media died by itself.
async fn run(mut echo: Echo, socket: UdpSocket, mut offers: mpsc::Receiver<Offer>) -> bool {
    let mut buffer = [0; DATAGRAM];
    loop {
        let deadline = loop {
            match echo.poll() {
                // A datagram that cannot be sent is a lost datagram: ICE and RTP live with that.
                Action::Transmit { destination, payload } => {
                    let _ = socket.try_send_to(&payload, destination);
                }
                Action::Wait(at) => break at,
                Action::Closed => return true,
            }
        };
        // str0m asks for `now` itself when it has work left; a millisecond keeps a busy call from spinning.
        let deadline = deadline.max(Instant::now() + Duration::from_millis(1));
        tokio::select! {
            received = socket.recv_from(&mut buffer) => {
                // On loopback an ICMP answer to an earlier datagram shows as an error of the next receive.
                if let Ok((length, source)) = received {
                    echo.handle_datagram(Instant::now(), source, &buffer[..length]);
                }
            }
            () = sleep_until(deadline.into()) => echo.handle_timeout(Instant::now()),
            offer = offers.recv() => match offer {
                Some(offer) => {
                    // Nobody waits any more when the call was hung up at the same moment.
                    let _ = offer.answer.send(echo.reoffer(&offer.sdp));
                }
                None => return false,
            },
        }
    }
}
