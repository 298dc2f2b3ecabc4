//! One scenario over one transport: both programs started, our side said and heard, both ends asserted.

use std::fs::{self, File};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use super::agent::Agent;
use super::scenario::{Load, Scenario, Step, Transport, matches};

/// No scenario with few calls takes longer, unless something hangs.
const LIMIT: Duration = Duration::from_secs(40);

/// How much faster than the wall clock the agent lives: 32 s of timers pass in 6.4 s.
const SPEED: &str = "5";

/// Lines of a log that are shown.
const TAIL: usize = 60;

/// The longest that an agent keeps something, by the wall clock: transactions over UDP (RFC 3261 §17.1.1.2, Timer D).
const LAST_TIMER: Duration = Duration::from_millis(6_400);

/// Runs it; its logs go to `folder`. `talked` is called when nothing but timers is left.
///
/// # Errors
/// With what either side complains about.
pub fn run(
    program: &Path,
    folder: &Path,
    scenario: &Scenario,
    transport: Transport,
    load: Load,
    talked: impl FnOnce(),
) -> Result<()> {
    fs::create_dir_all(folder)?;
    let calls = scenario.calls(load);
    let limit = LIMIT + Duration::from_millis(100) * u32::try_from(calls)?;
    let port = free_port()?;
    let peer = format!("127.0.0.1:{port}");

    // Whoever is called first has to be there first.
    let mut sipp = None;
    if scenario.serves {
        sipp = Some(Sipp::start(folder, scenario, transport, port, "127.0.0.1:9", calls, limit)?);
        listens(transport, port, sipp.as_mut(), folder)?;
    }
    let mut command = Command::new(program);
    command.args(["--transport", transport.name(), "--local", "127.0.0.1:0", "--uri", "sip:alice@example.com"]);
    command.args(["--user", "alice", "--password", "secret", "--trace", "--speed", SPEED, "--max-calls", "64"]);
    if scenario.serves || transport == Transport::Udp {
        command.args(["--server", &peer]);
    }
    for option in &scenario.agent {
        let (name, value) = option.split_once('=').map_or((option.as_str(), None), |(name, value)| (name, Some(value)));
        command.arg(format!("--{name}")).args(value);
    }
    let mut agent = Agent::start(command)?;
    let outcome = both(&mut agent, sipp, folder, scenario, transport, load, port, limit, talked);
    let said: String = agent.said.iter().map(|line| format!("{line}\n")).collect();
    fs::write(folder.join("agent.log"), &said)?;
    outcome.with_context(|| format!("{}\nthe agent's last lines:\n{}", scenario.file.display(), tail(&said)))
}

#[allow(clippy::too_many_arguments, reason = "what a run is made of")]
fn both(
    agent: &mut Agent,
    sipp: Option<Sipp>,
    folder: &Path,
    scenario: &Scenario,
    transport: Transport,
    load: Load,
    port: u16,
    limit: Duration,
    talked: impl FnOnce(),
) -> Result<()> {
    let deadline = Instant::now() + limit;
    let ready = agent.hear(&json!({ "event": "ready" }), deadline)?;
    let local = ready["local"].as_str().context("the agent's address")?.to_owned();
    let mut sipp = match sipp {
        Some(sipp) => sipp,
        None => Sipp::start(folder, scenario, transport, port, &local, scenario.calls(load), limit)?,
    };
    let played = play(agent, &scenario.steps, &format!("127.0.0.1:{port}"), scenario.calls(load), deadline);
    if played.is_err() {
        // What SIPp has seen until now says more than its timeout.
        return played.with_context(|| format!("SIPp:\n{}", sipp.complaint(folder)));
    }
    sipp.finish(folder, deadline, agent)?;
    talked();
    agent.finish(LAST_TIMER + Duration::from_secs(8))?;
    for step in &scenario.steps {
        if let Step::Never(wrong) = step
            && let Some(line) = agent.said.iter().find(|line| matches(line, wrong))
        {
            bail!("must not be said: {line}");
        }
    }
    Ok(())
}

fn play(agent: &mut Agent, steps: &[Step], peer: &str, calls: usize, deadline: Instant) -> Result<()> {
    for step in steps {
        match step {
            Step::Say(line) => agent.say(&line.replace("{peer}", peer))?,
            Step::Hear(wanted) => drop(agent.hear(wanted, deadline)?),
            Step::Never(_) => {}
            Step::Wait(millis) => thread::sleep(Duration::from_millis(*millis)),
            Step::Many { at_once, line, we_end } => {
                many(agent, *at_once, &line.replace("{peer}", peer), *we_end, calls, deadline)?;
            }
        }
    }
    Ok(())
}

/// Makes `calls` calls, ends each that is answered where that is our part, and looks at how they end.
fn many(agent: &mut Agent, at_once: usize, line: &str, we_end: bool, calls: usize, deadline: Instant) -> Result<()> {
    let cause = json!(if we_end { "local-hangup" } else { "remote-hangup" });
    let (mut made, mut over) = (0, 0);
    while over < calls {
        while made < calls && made - over < at_once {
            agent.say(line)?;
            made += 1;
        }
        let heard = agent.next(deadline)?.with_context(|| format!("{over} of {calls} calls are over"))?;
        match heard["event"].as_str() {
            Some("answered") if we_end => agent.say(&json!({ "do": "hangup", "call": heard["call"] }).to_string())?,
            Some("ended") => {
                ensure!(heard["cause"] == cause, "{heard}");
                over += 1;
            }
            Some("error") => bail!("{heard}"),
            _ => {}
        }
    }
    Ok(())
}

/// A running SIPp. It is killed when this is dropped.
struct Sipp {
    child: Child,
}

impl Sipp {
    fn start(
        folder: &Path,
        scenario: &Scenario,
        transport: Transport,
        port: u16,
        remote: &str,
        calls: usize,
        limit: Duration,
    ) -> Result<Self> {
        let mut sipp = Command::new("sipp");
        sipp.arg(remote).arg("-sf").arg(&scenario.file);
        sipp.args(["-i", "127.0.0.1", "-p", &port.to_string(), "-m", &calls.to_string()]);
        sipp.args(["-t", if transport == Transport::Udp { "u1" } else { "t1" }]);
        // A failure is a failure: no BYE, no guess.
        sipp.args(["-nostdin", "-default_behaviors", "abortunexp", "-skip_rlimit", "-timeout_error"]);
        sipp.args(["-timeout", &limit.as_secs().to_string(), "-recv_timeout", "20000"]);
        sipp.args(["-trace_err", "-error_file"]).arg(folder.join("errors.log"));
        sipp.args(["-trace_msg", "-message_file"]).arg(folder.join("messages.log"));
        sipp.args(&scenario.sipp);
        sipp.stdin(Stdio::null()).stdout(File::create(folder.join("screen.log"))?);
        let child = sipp.stderr(File::create(folder.join("stderr.log"))?).spawn().context("cannot start sipp")?;
        Ok(Self { child })
    }

    /// Waits for its end, and reads what the agent says meanwhile.
    fn finish(&mut self, folder: &Path, deadline: Instant, agent: &mut Agent) -> Result<()> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                if status.success() {
                    return Ok(());
                }
                bail!("SIPp ends with {status}:\n{}", self.complaint(folder));
            }
            if Instant::now() > deadline {
                bail!("SIPp does not end:\n{}", self.complaint(folder));
            }
            while agent.next(Instant::now() + Duration::from_millis(20))?.is_some() {}
        }
    }

    /// Its error log, or else what it has seen and said.
    fn complaint(&mut self, folder: &Path) -> String {
        // A log is complete when its writer has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        let errors = read("stderr.log") + &read("errors.log");
        format!("{}\nSIPp's last messages ({}):\n{}", tail(&errors), folder.display(), tail(&read("messages.log")))
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        // It has ended by itself, unless something failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}

/// A port that nobody uses on either transport.
fn free_port() -> Result<u16> {
    for _ in 0..100 {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let port = socket.local_addr()?.port();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port")
}

/// Waits until SIPp has opened its socket, as the kernel lists them.
fn listens(transport: Transport, port: u16, mut sipp: Option<&mut Sipp>, folder: &Path) -> Result<()> {
    let file = format!("/proc/net/{}", transport.name());
    let wanted = format!(":{port:04X}");
    // `TCP_LISTEN`, and what a UDP socket is in: who had this port before may still be listed, closing.
    let state = if transport == Transport::Udp { "07" } else { "0A" };
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        let table = fs::read_to_string(&file)?;
        // Number, local address, remote address, state.
        let mut sockets = table.lines().map(|line| line.split_whitespace().skip(1).step_by(2));
        if sockets.any(|mut socket| {
            socket.next().is_some_and(|local| local.ends_with(&wanted)) && socket.next() == Some(state)
        }) {
            return Ok(());
        }
        if let Some(sipp) = sipp.as_deref_mut()
            && let Some(status) = sipp.child.try_wait()?
        {
            bail!("SIPp ends at once: {status}\n{}", sipp.complaint(folder));
        }
        thread::sleep(Duration::from_millis(10));
    }
    bail!("SIPp does not listen on port {port}")
}
