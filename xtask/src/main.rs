//! The project's commands: `cargo xtask` prints them.

mod asterisk;
mod bench;
mod browser;
mod build;
mod creme;
mod demo;
mod engines;
mod integrations;
mod panics;
mod paths;
mod peers;
mod process;
mod quality;
mod setup;
mod sipp;
mod size;
mod test;
mod wasm;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use pico_args::Arguments;

use crate::paths::Paths;

const HELP: &str = "\
cargo xtask COMMAND

  build                  write component/dist: the page's and the engine's wasm with their scripts
  demo [--listen ADDR]   build, then serve the small CRM and the page with two phones; needs no root and no package
  test                   everything: format, lints, documentation, licences, tests, fuzz, sizes, browsers
  browser [FILTER]       build, then only the browser tests: Chromium, Firefox, Asterisk; --list names them
  integrations           build, then write target/integrations/SoftPhone.zip, the module for vtiger, and test the adapters
  soak [--calls N] [FILTER]
                         calls by the thousand, 1,000 unless told, while the application's server fails and browsers are
                         killed: each must be one card
  impaired [--minutes N] [FILTER]
                         our jitter buffer beside Chromium's in the same calls through bad networks: delay, PLCMOS, PESQ; and
                         a call of 10 minutes, unless told, over one
  creme                  build, install Creme CRM from PyPI into the rig's folder, then test the phone in it
  sipp [--short] [FILTER…]
                         SIPp's scenarios against the user agent, over UDP and TCP
  size                   what a page and a call download: raw, gzip, brotli; fails above the bars
  fuzz [--cases N]       broken SIP messages, 10,000,000 unless told; [--seed N] [--threads N] [--target NAME]
  bench [sip|voice|receive]
                         the benchmarks: SIP messages; the voice engine beside WebRTC's in C++, Sonora, SpeexDSP and
                         RNNoise, and the jitter buffer beside neteq, with the tables that benches/README.md shows
  peers                  JsSIP and SIP.js beside ours: what becomes of the messages of RFC 4475 and RFC 5118, and how
                         many messages each reads and writes in a second, natively and in Chromium
  quality [receive] [--short]
                         how ours and the voice engines of others sound: AECMOS, DNSMOS, PESQ, STOI, ERLE, SI-SDR; or our
                         jitter buffer beside neteq: delay, PLCMOS, PESQ
  setup                  install what `test` needs, now
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
            setup::optimiser(&paths)?;
            build::run(&paths)?;
            size::run(&paths)
        }
        Some("test") => {
            nothing_left(arguments)?;
            test::run(&paths)
        }
        Some("browser") => {
            setup::wasm_target()?;
            setup::optimiser(&paths)?;
            setup::browsers(&paths)?;
            creme::setup(&paths)?;
            build::run(&paths)?;
            process::run(&mut browser::command(&paths, &arguments.finish()))
        }
        Some("integrations") => {
            nothing_left(arguments)?;
            setup::wasm_target()?;
            build::run(&paths)?;
            integrations::test(&paths, &mut Vec::new())
        }
        Some("soak") => {
            let calls: Option<u32> = arguments.opt_value_from_str("--calls").context("--calls NUMBER")?;
            setup::wasm_target()?;
            setup::optimiser(&paths)?;
            setup::browsers(&paths)?;
            build::run(&paths)?;
            let mut command = browser::command(&paths, &arguments.finish());
            process::run(command.env("SOFT_PHONE_SOAK_CALLS", calls.unwrap_or(1_000).to_string()))
        }
        Some("impaired") => {
            let minutes: Option<u32> = arguments.opt_value_from_str("--minutes").context("--minutes NUMBER")?;
            setup::wasm_target()?;
            setup::optimiser(&paths)?;
            setup::browsers(&paths)?;
            build::run(&paths)?;
            quality::calls::run(&paths, minutes.unwrap_or(10), &arguments.finish())
        }
        Some("creme") => {
            nothing_left(arguments)?;
            setup::wasm_target()?;
            setup::optimiser(&paths)?;
            setup::browsers(&paths)?;
            build::run(&paths)?;
            creme::setup(&paths)?;
            creme::test(&paths)?;
            process::run(&mut browser::command(&paths, &["creme::".into()]))
        }
        Some("sipp") => {
            let load = if arguments.contains("--short") { sipp::Load::Short } else { sipp::Load::Long };
            setup::sipp()?;
            sipp::run(&paths, load, &arguments.finish())
        }
        Some("fuzz") => {
            let cases = arguments.opt_value_from_str("--cases").context("--cases NUMBER")?;
            test::fuzz(&paths, cases.unwrap_or(10_000_000), &arguments.finish())
        }
        Some("bench") => {
            let only = arguments.opt_free_from_str::<String>()?;
            nothing_left(arguments)?;
            bench::run(&paths, only.as_deref())
        }
        Some("quality") => {
            let short = arguments.contains("--short");
            let only = arguments.opt_free_from_str::<String>()?;
            nothing_left(arguments)?;
            quality::run(&paths, only.as_deref(), short)
        }
        Some("peers") => {
            nothing_left(arguments)?;
            setup::wasm_target()?;
            peers::run(&paths)
        }
        Some("setup") => {
            nothing_left(arguments)?;
            setup::toolchain()?;
            setup::everything(&paths)
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
