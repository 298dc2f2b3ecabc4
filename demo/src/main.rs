//! `soft-phone-demo`: serves the demo until Ctrl-C.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use soft_phone_demo::{Agent, Error, Options, Running, start};

const USAGE: &str = "usage: soft-phone-demo [--listen ADDRESS:PORT] [--dist FOLDER] [--database FILE]

  --listen  a loopback address; port 0 takes any free one (default 127.0.0.1:8080, or another port when it is taken)
  --dist    the folder that `cargo xtask build` wrote (default component/dist)
  --database
            where the CRM keeps contacts and calls (default: in memory, until the demo ends)";

#[tokio::main]
async fn main() -> ExitCode {
    let command = match Command::parse(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(message) => {
            eprintln!("{message}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if command.help {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let agents = Agent::demo();
    let running = match serve(&command, &agents).await {
        Ok(running) => running,
        Err(error) => {
            eprintln!("soft-phone-demo: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("two phones:  http://{}/", running.addr);
    println!("small CRM:   http://{}/crm/", running.addr);
    for agent in &agents {
        let phone = if agent.has_phone { &agent.user.number } else { "no phone" };
        println!("             {:<6} password {}  ({phone})", agent.user.name, agent.password);
    }
    if let Err(error) = tokio::signal::ctrl_c().await {
        eprintln!("soft-phone-demo: Ctrl-C cannot be waited for: {error}");
    }
    running.shutdown().await;
    ExitCode::SUCCESS
}

/// Starts on the address that was asked for; the default port gives way to another when it is taken.
async fn serve(command: &Command, agents: &[Agent]) -> Result<Running, Error> {
    let mut options = Options { agents: agents.to_vec(), database: command.database.clone(), ..Options::default() };
    if let Some(dist) = &command.dist {
        options.dist.clone_from(dist);
    }
    if let Some(listen) = command.listen {
        options.listen = listen;
        return start(options).await;
    }
    match start(options.clone()).await {
        Err(error) if error.is_address_in_use() => {
            eprintln!("port {} is taken, another one is used", options.listen.port());
            options.listen.set_port(0);
            start(options).await
        }
        result => result,
    }
}

/// The command line.
#[derive(Debug, Default, PartialEq, Eq)]
struct Command {
    listen: Option<SocketAddr>,
    dist: Option<PathBuf>,
    database: Option<PathBuf>,
    help: bool,
}

impl Command {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Command, String> {
        let mut command = Command::default();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--listen" => {
                    let text = value()?;
                    let address = text.parse().map_err(|_| format!("{text} is not an address with a port"))?;
                    command.listen = Some(address);
                }
                "--dist" => command.dist = Some(value()?.into()),
                "--database" => command.database = Some(value()?.into()),
                "--help" | "-h" => command.help = true,
                _ => return Err(format!("unknown argument {argument}")),
            }
        }
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, String> {
        Command::parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn arguments() {
        assert_eq!(parse(""), Ok(Command::default()));
        let command = parse("--listen 127.0.0.1:0 --dist somewhere --database crm.sqlite").unwrap();
        assert_eq!(command.database, Some(PathBuf::from("crm.sqlite")));
        assert_eq!(command.listen, Some("127.0.0.1:0".parse().unwrap()));
        assert_eq!(command.dist, Some(PathBuf::from("somewhere")));
        assert!(parse("-h").unwrap().help);
    }

    #[test]
    fn bad_arguments_are_named() {
        assert_eq!(parse("--listen"), Err("--listen needs a value".into()));
        assert_eq!(parse("--listen 8080"), Err("8080 is not an address with a port".into()));
        assert_eq!(parse("--port 1"), Err("unknown argument --port".into()));
    }
}
