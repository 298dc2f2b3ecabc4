//! A TURN server: coturn, which lies in Asterisk's folder.

use anyhow::Result;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::rig::Rig;
use crate::service::Service;

const USER: &str = "phone";
const PASSWORD: &str = "relayed";

/// Starts it; it ends when this is dropped.
///
/// # Errors
/// When it does not come up.
pub async fn start(rig: &Rig) -> Result<Service> {
    let mut turn = Command::new("chroot");
    turn.arg(rig.folder.join("asterisk")).args(["/usr/bin/turnserver", "-n", "--log-file=stdout", "--simple-log"]);
    turn.args(["--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", "--allow-loopback-peers"]);
    turn.args(["--lt-cred-mech", "--realm=tests", &format!("--user={USER}:{PASSWORD}")]);
    turn.args(["--no-tls", "--relay-threads=1", "--pidfile=/tmp/turn.pid"]);
    Service::start("turn", &rig.lane.join("logs"), turn, "Total auth threads").await
}

/// The fields of an account whose media take this way alone.
pub fn only() -> Value {
    let server = json!({ "urls": ["turn:127.0.0.1:3478?transport=udp"], "username": USER, "credential": PASSWORD });
    json!({ "iceServers": [server], "iceTransportPolicy": "relay" })
}
