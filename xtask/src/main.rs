//! The project's commands: `cargo xtask` prints them.

mod build;
mod demo;
mod paths;
mod process;
mod setup;
mod size;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use pico_args::Arguments;

use crate::paths::Paths;

const HELP: &str = "\
cargo xtask COMMAND

  build                  write component/dist: the page's and the engine's wasm with their scripts
  demo [--listen ADDR]   build, then serve the page with two phones (default 127.0.0.1:8080)
  size                   what a page downloads: raw, gzip, brotli; fails above the bar
  setup                  install what the commands above need
";

fn main() -> ExitCode {
    match run(Arguments::from_env()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: Arguments) -> Result<()> {
    let paths = Paths::find()?;
    let command = arguments.subcommand()?;
    if arguments.contains(["-h", "--help"]) {
        print!("{HELP}");
        return Ok(());
    }
    match command.as_deref() {
        Some("build") => {
            nothing_left(arguments)?;
            setup::wasm_target()?;
            build::run(&paths)
        }
        Some("demo") => {
            let listen = arguments.opt_value_from_str("--listen").context("--listen ADDRESS:PORT")?;
            nothing_left(arguments)?;
            setup::wasm_target()?;
            build::run(&paths)?;
            demo::run(&paths, listen)
        }
        Some("size") => {
            nothing_left(arguments)?;
            setup::wasm_target()?;
            build::run(&paths)?;
            size::run(&paths)
        }
        Some("setup") => {
            nothing_left(arguments)?;
            setup::wasm_target()
        }
        None => {
            print!("{HELP}");
            Ok(())
        }
        Some(other) => bail!("no such command: {other}\n\n{HELP}"),
    }
}

/// Refuses what no command has asked for: a misspelt option must not be ignored.
fn nothing_left(arguments: Arguments) -> Result<()> {
    let rest = arguments.finish();
    if rest.is_empty() { Ok(()) } else { bail!("not understood: {rest:?}\n\n{HELP}") }
}
