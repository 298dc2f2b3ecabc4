//! The command line.

use std::net::SocketAddr;
use std::time::Duration;

use soft_phone_sip::digest::{Credentials, Secret};
use soft_phone_sip::{Config, Timers, Transport};

pub const HELP: &str = "\
agent --transport udp|tcp|ws --uri SIP-URI [OPTION…]

  --transport udp|tcp|ws   udp and tcp also listen on --local
  --uri SIP-URI            our address of record
  --local ADDRESS:PORT     where we listen and what Via and Contact say; 127.0.0.1:0 unless given
  --server ADDRESS:PORT    where new requests go (ws: a URL, ws://HOST:PORT/PATH); without: to whoever wrote last
  --user NAME --password P answer challenges
  --name TEXT              display name
  --instance URN           instance id
  --expires SECONDS        registration time to ask for
  --auto-ring              180 at once for an incoming call
  --auto-answer            200 for an incoming call
  --ring-for MS            … after that time
  --refuse-transfers       603 for REFER; else its target is called
  --ring-timeout MS        how long our calls ring
  --max-calls N            calls at a time
  --session-expires S|0    session timer to ask for (RFC 4028); 0: none
  --min-se SECONDS         the shortest one to agree to
  --no-reliable            no 100rel (RFC 3262)
  --t1 MS                  RFC 3261's T1, with T2 and T4 in proportion
  --speed N                the agent's clock goes N times as fast: less waiting in tests
  --trace                  print every message sent and received
  --stay                   the end of the commands is not `quit`
  --help

Commands, a JSON object a line; `call` may be left out while there is one call:

  {\"do\":\"register\"}  {\"do\":\"unregister\"}  {\"do\":\"bindings\"}
  {\"do\":\"call\",\"target\":\"sip:…\",\"headers\":{\"Subject\":\"…\"},\"redirects\":5,\"anonymous\":true,
     \"autoAnswer\":true,\"replaces\":\"CALL-ID;to-tag=…;from-tag=…\"}
  {\"do\":\"ring\",\"call\":N}  {\"do\":\"progress\",\"call\":N,\"status\":183,\"media\":true}  {\"do\":\"answer\",\"call\":N}
  {\"do\":\"reject\",\"call\":N,\"status\":486,\"reason\":\"…\"}  {\"do\":\"redirect\",\"call\":N,\"target\":\"sip:…\"}
  {\"do\":\"hangup\",\"call\":N,\"reason\":\"SIP;cause=…\"}
  {\"do\":\"hold\",\"call\":N}  {\"do\":\"resume\",\"call\":N}  {\"do\":\"update\",\"call\":N}
  {\"do\":\"transfer\",\"call\":N,\"target\":\"sip:…\",\"unwatched\":false}  {\"do\":\"transfer\",\"call\":N,\"to\":N}
  {\"do\":\"dtmf\",\"call\":N,\"tones\":\"12#\",\"duration\":MS}
  {\"do\":\"info\",\"call\":N,\"type\":\"…\",\"body\":\"…\",\"package\":\"…\"}
  {\"do\":\"message\",\"target\":\"sip:…\",\"text\":\"…\",\"type\":\"text/plain\"}
  {\"do\":\"subscribe\",\"target\":\"sip:…\",\"package\":\"presence\",\"accept\":\"…\"}  {\"do\":\"unsubscribe\",\"subscription\":N}
  {\"do\":\"publish\",\"package\":\"presence\",\"type\":\"…\",\"body\":\"…\",\"expires\":S,\"publication\":N}
  {\"do\":\"unpublish\",\"publication\":N}
  {\"do\":\"options\",\"target\":\"sip:…\"}
  {\"do\":\"status\"}  {\"do\":\"quit\"}

Each is answered by {\"event\":\"done\",\"do\":…} or {\"event\":\"error\",\"do\":…,\"error\":…}, which repeat its \"id\".
When the last transaction, call and timer is gone, {\"event\":\"idle\"} says so.
";

/// What the command line says.
pub struct Options {
    pub transport: Transport,
    pub local: SocketAddr,
    /// An address, or a URL for WebSocket.
    pub server: Option<String>,
    pub auto_answer: bool,
    pub refuse_transfers: bool,
    pub ring_for: Duration,
    pub trace: bool,
    pub stay: bool,
    /// At least 1.
    pub speed: u32,
    pub config: Config,
}

impl Options {
    /// `None`: help was asked for.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
        let (mut transport, mut uri, mut server) = (None, None, None);
        let (mut user, mut password) = (None, None);
        let mut local = SocketAddr::from(([127, 0, 0, 1], 0));
        let (mut auto_answer, mut auto_ring, mut trace, mut stay) = (false, false, false, false);
        let mut refuse_transfers = false;
        let (mut speed, mut reliable) = (1, true);
        let mut ring_for = Duration::ZERO;
        let mut settings: Vec<(String, String)> = Vec::new();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--help" | "-h" => return Ok(None),
                "--transport" => {
                    transport = Some(match value()?.as_str() {
                        "udp" => Transport::Udp,
                        "tcp" => Transport::Tcp,
                        "ws" => Transport::Ws,
                        other => return Err(format!("--transport {other}: not udp, tcp or ws")),
                    });
                }
                "--uri" => uri = Some(value()?),
                "--local" => {
                    let text = value()?;
                    local = text.parse().map_err(|_| format!("--local {text}: not ADDRESS:PORT"))?;
                }
                "--server" => server = Some(value()?),
                "--user" => user = Some(value()?),
                "--password" => password = Some(value()?),
                "--auto-answer" => auto_answer = true,
                "--auto-ring" => auto_ring = true,
                "--refuse-transfers" => refuse_transfers = true,
                "--trace" => trace = true,
                "--stay" => stay = true,
                "--no-reliable" => reliable = false,
                "--speed" => {
                    let value = value()?;
                    speed = u32::try_from(number(&word, &value)?).unwrap_or(u32::MAX).max(1);
                }
                "--ring-for" => ring_for = millis(&word, &value()?)?,
                "--name" | "--instance" | "--expires" | "--ring-timeout" | "--max-calls" | "--t1"
                | "--session-expires" | "--min-se" => {
                    let value = value()?;
                    settings.push((word, value));
                }
                _ => return Err(format!("unknown option {word}; --help lists them")),
            }
        }
        let transport = transport.ok_or("--transport is missing; --help lists the options")?;
        let uri = uri.ok_or("--uri is missing")?;
        let uri = uri.parse().map_err(|error| format!("--uri {uri}: {error}"))?;
        let mut config = Config::new(uri, transport);
        config.auto_ring = auto_ring;
        config.reliable = reliable;
        config.credentials = match (user, password) {
            (Some(username), Some(password)) => Some(Credentials { username, secret: Secret::Password(password) }),
            (None, None) => None,
            _ => return Err("--user and --password belong together".to_owned()),
        };
        for (word, value) in settings {
            set(&mut config, &word, value)?;
        }
        Ok(Some(Options {
            transport,
            local,
            server,
            auto_answer,
            refuse_transfers,
            ring_for,
            trace,
            stay,
            speed,
            config,
        }))
    }
}

fn set(config: &mut Config, word: &str, value: String) -> Result<(), String> {
    match word {
        "--name" => config.display_name = Some(value),
        "--instance" => config.instance_id = Some(value),
        "--expires" => config.expires = Duration::from_secs(number(word, &value)?),
        "--session-expires" => {
            let seconds = number(word, &value)?;
            config.session_expires = (seconds > 0).then(|| Duration::from_secs(seconds));
        }
        "--min-se" => config.min_se = Duration::from_secs(number(word, &value)?),
        "--ring-timeout" => config.ring_timeout = millis(word, &value)?,
        "--max-calls" => config.max_calls = usize::try_from(number(word, &value)?).unwrap_or(usize::MAX),
        _ => {
            // RFC 3261 §17.1.1.1: T2 is eight, T4 ten times T1.
            let t1 = millis(word, &value)?;
            config.timers = Timers { t1, t2: t1.saturating_mul(8), t4: t1.saturating_mul(10) };
        }
    }
    Ok(())
}

fn number(word: &str, value: &str) -> Result<u64, String> {
    value.parse().map_err(|_| format!("{word} {value}: not a number"))
}

fn millis(word: &str, value: &str) -> Result<Duration, String> {
    number(word, value).map(Duration::from_millis)
}
