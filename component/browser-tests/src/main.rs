//! The browser tests: real browsers, a real Asterisk, voice compared with what was said.
//!
//! `cargo xtask browser [FILTER]` sets everything up and runs this program. It takes the arguments of a test binary
//! (`--list`, `--exact`, names) and ends with cargo's own closing line. Everything it starts lives in namespaces of
//! its own (`namespace`): nothing is reachable from outside, nothing is left behind.

mod asterisk;
mod audio;
mod browser;
mod cases;
mod creme;
mod crm;
mod fault;
mod namespace;
mod path;
mod phone;
mod relay;
mod rig;
mod script;
mod service;
mod stun;
mod turn;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use libtest_mimic::{Arguments, Failed, Trial};

use crate::cases::Case;
use crate::rig::Rig;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let mut arguments = Arguments::from_args();
    if arguments.list {
        let trials = cases::all().into_iter().map(|case| Trial::test(case.name, || Ok(()))).collect();
        return Ok(libtest_mimic::run(&arguments, trials).exit_code());
    }
    if !namespace::is_inside() {
        return namespace::enter();
    }
    namespace::prepare().context("the tests' own network")?;
    // Voice is real time and the machine may have two cores: one call at a time.
    arguments.test_threads = Some(1);

    let runtime = Arc::new(tokio::runtime::Builder::new_multi_thread().enable_all().build()?);
    runtime.spawn(async {
        // The first process of a PID namespace ignores signals that it does not ask for.
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(130);
        }
    });
    let rig = Arc::new(runtime.block_on(Rig::start())?);
    let trials = cases::all().into_iter().map(|case| trial(case, &rig, &runtime)).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if conclusion.has_failed() {
        rig.print_logs();
    }
    // With this process, the first of its PID namespace, all that it has started ends.
    Ok(conclusion.exit_code())
}

/// A case as a test of the harness: bounded in time, its browsers closed whatever happens.
fn trial(case: Case, rig: &Arc<Rig>, runtime: &Arc<tokio::runtime::Runtime>) -> Trial {
    let (rig, runtime) = (Arc::clone(rig), Arc::clone(runtime));
    Trial::test(case.name, move || {
        runtime.block_on(async {
            let limit = cases::limit();
            let outcome = match tokio::time::timeout(limit, (case.run)(&rig)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(anyhow::anyhow!("not done within {} s", limit.as_secs())),
            };
            let outcome = match outcome {
                Ok(()) => rig.check_pages().await,
                failed => failed,
            };
            let outcome = match outcome {
                Ok(()) => Ok(()),
                Err(error) => Err(Failed::from(format!("{error:#}\n{}", rig.report(case.name).await))),
            };
            rig.close_browsers().await;
            outcome
        })
    })
}
