//! The browser tests: real browsers, a real Asterisk, voice compared with what was said.
//!
//! `cargo xtask browser [FILTER]` sets everything up and runs this program. It takes the arguments of a test binary
//! (`--list`, `--exact`, `--test-threads`, names) and ends with cargo's own closing line. The cases run in processes that it
//! starts (`lane`), two at a time where they can, and all that these start lives in namespaces of its own (`namespace`):
//! nothing is reachable from outside, nothing is left behind.

mod asterisk;
mod audio;
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
    // A case has about the half of one core to do.
    arguments.test_threads.get_or_insert(2);
    let lanes = Arc::new(Lanes::start()?);
    let reasons = Reasons::default();
    let trials = cases::all().into_iter().map(|case| trial(case, &lanes, &reasons)).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Once more, behind the hundreds of lines that each one's report has; `cargo xtask test` repeats these at its end.
    for reason in reasons.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        println!("reason: {}", reason.replace('\n', " "));
    }
    Ok(conclusion.exit_code())
}

/// Why cases have failed.
type Reasons = Arc<Mutex<Vec<String>>>;

/// A case as a test of the harness.
fn trial(case: Case, lanes: &Arc<Lanes>, reasons: &Reasons) -> Trial {
    let (lanes, reasons) = (Arc::clone(lanes), Arc::clone(reasons));
    Trial::test(case.name, move || {
        lanes.run(&case).map_err(|failure| {
            let reason = format!("{}: {}", case.name, failure.reason);
            reasons.lock().unwrap_or_else(PoisonError::into_inner).push(reason);
            Failed::from(format!("{}\n{}", failure.reason, failure.report))
        })
    })
}
