//! Namespaces of the tests' own: a network without a way out, processes that end with the tests, mounts nobody sees.
//!
//! Made by `unshare`, as root or, where the machine allows it, by anybody in a user namespace.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Asterisk offers no address of 127/8 as an ICE candidate: this one stands on the loopback interface for it.
pub const CANDIDATE: &str = "198.51.100.1";

/// This program as a command that runs inside, as `nice` (0 to 19) or nicer; it ends with the process that starts it.
///
/// # Errors
/// When the machine allows no namespaces; the message says what to do.
pub fn inside(nice: u8) -> Result<Command> {
    let root = fs::metadata("/proc/self")?.uid() == 0;
    let unshare = || {
        let mut unshare = Command::new("nice");
        unshare.args(["-n", &nice.to_string()]);
        if root && nice > 0 {
            // Browsers put some of their processes first again, where they may.
            unshare.args(["setpriv", "--bounding-set=-sys_nice"]);
        }
        unshare.args(["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        if !root {
            unshare.arg("--map-root-user");
        }
        unshare
    };
    let tried = unshare().arg("true").output().context("unshare (of util-linux) cannot be started")?;
    if !tried.status.success() {
        bail!(
            "this machine allows no namespaces ({}): run the tests as root, or allow them with `sudo sysctl -w \
             kernel.unprivileged_userns_clone=1`",
            String::from_utf8_lossy(&tried.stderr).trim()
        );
    }
    let mut inside = unshare();
    inside.arg(std::env::current_exe()?);
    Ok(inside)
}

/// A network without a way for some packets, until this is dropped.
pub struct Cut(());

/// The preference of the rules of a [`Cut`]: before the table of local addresses, which stands first by default.
const FIRST: &str = "5";
const LOCAL: &str = "10";

/// Cuts the network, as a machine's is that loses its only interface: media find no way, nor does what goes to this TCP
/// port and back. What stands is not told of it. All else goes on, WebDriver and pages above all.
///
/// # Errors
/// When the kernel knows no such rules.
pub fn cut(port: u16) -> Result<Cut> {
    unreachable(&["ipproto udp".into(), format!("ipproto tcp dport {port}"), format!("ipproto tcp sport {port}")])
}

/// Takes a UDP port away: nothing that goes there arrives, nor does what comes from there.
///
/// # Errors
/// When the kernel knows no such rules.
pub fn cut_media(port: u16) -> Result<Cut> {
    unreachable(&[format!("ipproto udp dport {port}"), format!("ipproto udp sport {port}")])
}

fn unreachable(packets: &[String]) -> Result<Cut> {
    // Nothing goes before it where it stands: it moves, once.
    if ip("rule show")?.lines().any(|rule| rule.starts_with("0:")) {
        ip(&format!("rule add pref {LOCAL} lookup local"))?;
        ip("rule del pref 0")?;
    }
    let cut = Cut(());
    for packets in packets {
        ip(&format!("rule add pref {FIRST} {packets} unreachable"))?;
    }
    Ok(cut)
}

impl Drop for Cut {
    fn drop(&mut self) {
        while ip(&format!("rule del pref {FIRST}")).is_ok() {}
    }
}

/// The address that a machine has after [`roam`].
const ROAMED: &str = "198.51.100.7";

/// The machine on another network, until this is dropped.
pub struct Roamed {
    _cut: Cut,
}

/// Moves the machine from one network to another one, as from radio to cable: it has another address and another way out,
/// and no packet of media leaves from the address before, or arrives there.
///
/// # Errors
/// When a command of iproute2 fails.
pub fn roam() -> Result<Roamed> {
    ip(&format!("address add {ROAMED}/32 dev lo"))?;
    ip(&format!("route change default dev lo src {ROAMED}"))?;
    let before = ["from 127.0.0.1 ipproto udp", "to 127.0.0.1 ipproto udp"].map(str::to_owned);
    Ok(Roamed { _cut: unreachable(&before)? })
}

impl Drop for Roamed {
    fn drop(&mut self) {
        for arguments in ["route change default dev lo src 127.0.0.1".into(), format!("address del {ROAMED}/32 dev lo")]
        {
            // Without it the next case says what is wrong.
            let _ = ip(&arguments);
        }
    }
}

/// Brings the loopback interface up: with Asterisk's address, a default route (Firefox gathers no candidates without
/// one) and no IPv6.
///
/// # Errors
/// When a command of iproute2 fails.
pub fn prepare() -> Result<()> {
    // A kernel without IPv6 has no such file.
    let ipv6 = "/proc/sys/net/ipv6/conf/all/disable_ipv6";
    if fs::exists(ipv6)? {
        fs::write(ipv6, "1").context(ipv6)?;
    }
    let address = format!("{CANDIDATE}/32");
    for arguments in [
        "link set lo up".to_owned(),
        format!("address add {address} dev lo"),
        "route add default dev lo src 127.0.0.1".to_owned(),
    ] {
        ip(&arguments)?;
    }
    Ok(())
}

/// Runs a command of iproute2 and returns what it printed.
fn ip(arguments: &str) -> Result<String> {
    let output = Command::new("ip").args(arguments.split(' ')).output().context("ip (of iproute2)")?;
    if !output.status.success() {
        bail!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
