//! A STUN server that takes its time, and the address translation that makes what it says true.
//!
//! The address that it reports is a port of its own, which passes packets on both ways as a NAT's does. So a candidate
//! of it leads to the phone, and is another than the phone's own.

use std::collections::BTreeMap;
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::UdpSocket;
use tokio::sync::Mutex;
use tokio::task::AbortHandle;

use crate::namespace::CANDIDATE;

/// Type of a Binding request, and of its success response (RFC 8489 §5).
const REQUEST: [u8; 2] = [0x00, 0x01];
const SUCCESS: [u8; 2] = [0x01, 0x01];
/// RFC 8489 §5.
const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
/// XOR-MAPPED-ADDRESS (RFC 8489 §14.2): type, length, and family IPv4.
const MAPPED: [u8; 6] = [0x00, 0x20, 0x00, 0x08, 0x00, 0x01];

/// A server until this is dropped.
pub struct Stun {
    addr: SocketAddr,
    task: AbortHandle,
}

impl Stun {
    /// Starts it on a free port; each answer comes `late` after its request.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start(late: Duration) -> Result<Self> {
        let socket = Arc::new(UdpSocket::bind(("127.0.0.1", 0)).await?);
        let addr = socket.local_addr()?;
        let ports: Arc<Mutex<BTreeMap<SocketAddr, SocketAddr>>> = Arc::default();
        let task = tokio::spawn(async move {
            let mut packet = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut packet).await {
                let Some(transaction) = request(&packet[..length]) else { continue };
                let (socket, ports) = (Arc::clone(&socket), Arc::clone(&ports));
                tokio::spawn(async move {
                    tokio::time::sleep(late).await;
                    let mut ports = ports.lock().await;
                    let port = match ports.get(&from) {
                        Some(port) => *port,
                        None => match translate(from).await {
                            Ok(port) => *ports.entry(from).or_insert(port),
                            Err(_) => return,
                        },
                    };
                    if let Some(answer) = response(transaction, port) {
                        // The phone may have gone.
                        let _sent = socket.send_to(&answer, from).await;
                    }
                });
            }
        });
        Ok(Self { addr, task: task.abort_handle() })
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("stun:{}", self.addr)
    }
}

impl Drop for Stun {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The transaction of a Binding request.
fn request(packet: &[u8]) -> Option<[u8; 12]> {
    let header = packet.get(..20)?;
    (header[..2] == REQUEST && header[4..8] == COOKIE).then(|| header[8..].try_into().ok())?
}

fn response(transaction: [u8; 12], mapped: SocketAddr) -> Option<Vec<u8>> {
    let SocketAddr::V4(mapped) = mapped else { return None };
    let mut answer = SUCCESS.to_vec();
    answer.extend([0x00, 0x0C]);
    answer.extend(COOKIE);
    answer.extend(transaction);
    answer.extend(MAPPED);
    answer.extend(xored(mapped));
    Some(answer)
}

/// RFC 8489 §14.2: port and address, each with the magic cookie.
fn xored(addr: SocketAddrV4) -> [u8; 6] {
    let (port, ip) = (addr.port().to_be_bytes(), addr.ip().octets());
    let plain = [port[0], port[1], ip[0], ip[1], ip[2], ip[3]];
    let key = [COOKIE[0], COOKIE[1], COOKIE[0], COOKIE[1], COOKIE[2], COOKIE[3]];
    std::array::from_fn(|at| plain[at] ^ key[at])
}

/// A port that stands for `inside`: what comes to it goes there, and what `inside` sends to it goes to whoever spoke
/// last. It ends with the tests.
async fn translate(inside: SocketAddr) -> Result<SocketAddr> {
    let socket = UdpSocket::bind((CANDIDATE, 0)).await?;
    let addr = socket.local_addr().context("a bound socket")?;
    tokio::spawn(async move {
        let mut packet = [0; 2048];
        let mut outside = None;
        while let Ok((length, from)) = socket.recv_from(&mut packet).await {
            let to = if from == inside { outside } else { Some(inside) };
            if from != inside {
                outside = Some(from);
            }
            if let Some(to) = to {
                let _sent = socket.send_to(&packet[..length], to).await;
            }
        }
    });
    Ok(addr)
}

#[cfg(test)]
mod tests {
    use super::{request, response};

    /// The address of the sample response of RFC 5769 §2.2, 192.0.2.1:32853.
    #[test]
    fn the_address_is_written_as_the_rfc_shows() {
        let answer = response([7; 12], "192.0.2.1:32853".parse().unwrap()).unwrap();
        assert_eq!(answer[20..], [0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
        assert_eq!(request(&answer), None);
    }

    #[test]
    fn a_request_is_known_by_its_type_and_cookie() {
        let mut packet = vec![0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42];
        packet.extend([9; 12]);
        assert_eq!(request(&packet), Some([9; 12]));
        packet[4] = 0;
        assert_eq!(request(&packet), None);
        assert_eq!(request(&[0, 1]), None);
    }
}
