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
use std::sync::{Arc, Mutex, PoisonError};

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
    let reasons = Reasons::default();
    let trials = cases::all().into_iter().map(|case| trial(case, &rig, &runtime, &reasons)).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if conclusion.has_failed() {
        rig.print_logs();
        // Once more, behind the hundreds of lines that each one's report has.
        for reason in reasons.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            eprintln!("{reason}");
        }
    }
    // With this process, the first of its PID namespace, all that it has started ends.
    Ok(conclusion.exit_code())
}

/// Why cases have failed.
type Reasons = Arc<Mutex<Vec<String>>>;

/// A case as a test of the harness: bounded in time, its browsers closed whatever happens.
fn trial(case: Case, rig: &Arc<Rig>, runtime: &Arc<tokio::runtime::Runtime>, reasons: &Reasons) -> Trial {
    let (rig, runtime, reasons) = (Arc::clone(rig), Arc::clone(runtime), Arc::clone(reasons));
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
                Err(error) => {
                    let reason = format!("{error:#}");
                    let failed = Failed::from(format!("{reason}\n{}", rig.report(case.name).await));
                    reasons.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{}: {reason}", case.name));
                    Err(failed)
                }
            };
            rig.close_browsers().await;
            outcome
        })
    })
}
