//! The browser tests: real browsers, a real Asterisk, voice compared with what was said.
//!
//! `cargo xtask browser [FILTER]` sets everything up and runs this program. It takes the arguments of a test binary
//! (`--list`, `--exact`, `--test-threads`, names) and ends with cargo's own closing line. The cases run in processes that it
//! starts (`lane`), two at a time where they can, and all that these start lives in namespaces of its own (`namespace`):
//! nothing is reachable from outside, nothing is left behind.

mod asterisk;
mod browser;
mod cases;
mod creme;
mod crm;
mod fault;
mod lane;
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
use std::time::Duration;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};

use crate::cases::Case;
use crate::lane::Lanes;

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
    if let Some(number) = lane::number() {
        lane::serve(number)?;
        return Ok(ExitCode::SUCCESS);
    }
    let lanes = Arc::new(Lanes::start()?);
    let ran = Ran::default();
    let cases = cases::all();
    // All wait for their turn at once: lanes choose among them.
    arguments.test_threads.get_or_insert(cases.len());
    let trials = cases.into_iter().map(|case| trial(case, &lanes, &ran)).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    report(&ran);
    Ok(conclusion.exit_code())
}

/// Cases that have ended: which, how long it took, and why it failed.
type Ran = Arc<Mutex<Vec<(&'static str, Duration, Option<String>)>>>;

/// A case as a test of the harness.
fn trial(case: Case, lanes: &Arc<Lanes>, ran: &Ran) -> Trial {
    let (lanes, ran) = (Arc::clone(lanes), Arc::clone(ran));
    let name = case.name;
    Trial::test(name, move || {
        let (outcome, took) = lanes.run(case);
        let reason = outcome.as_ref().err().map(|failure| failure.reason.clone());
        ran.lock().unwrap_or_else(PoisonError::into_inner).push((name, took, reason));
        outcome.map_err(|failure| Failed::from(format!("{}\n{}", failure.reason, failure.report)))
    })
}

/// Tells what takes longest, and once more why cases failed, behind the hundreds of lines that each one's report has:
/// `cargo xtask test` repeats the reasons at its end.
fn report(ran: &Ran) {
    const SLOWEST: usize = 10;
    let mut ran = ran.lock().unwrap_or_else(PoisonError::into_inner);
    ran.sort_by_key(|(_, took, _)| std::cmp::Reverse(*took));
    let slowest = ran.iter().take(SLOWEST).map(|(name, took, _)| format!("{name} {:.0} s", took.as_secs_f32()));
    println!("slowest: {}", slowest.collect::<Vec<_>>().join(", "));
    for (name, _, reason) in ran.iter() {
        if let Some(reason) = reason {
            println!("reason: {name}: {}", reason.replace('\n', " "));
        }
    }
}
