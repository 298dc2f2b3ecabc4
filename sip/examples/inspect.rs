//! What a user agent makes of a message: one line of JSON for each file.
//!
//! ```text
//! cargo run -q --release -p soft-phone-sip --example inspect -- FILE…
//! ```
//!
//! `{"file","kind":"request|response","verdict":"accept|reject|ignore","status":null|400|…,"method","callId","reason"}`:
//! the file is one datagram. `status` is the answer that the user agent owes at once: null for responses and ACKs, for
//! what is ignored, and for an INVITE that rings. `accept` judges the message, not its sender's luck: a sound request
//! that a phone does not serve (REGISTER, a BYE without its call) is accepted, with the 405, 481, … that it gets.
//! `kind` is null when the first line is of neither.

#[path = "../tests/common/judge.rs"]
mod judge;

use std::process::ExitCode;

use judge::{Verdict, judge};
use serde_json::json;

fn main() -> ExitCode {
    let files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() || files.iter().any(|file| file == "--help") {
        eprintln!("inspect FILE…: a line of JSON for each file, which holds one SIP message");
        return if files.is_empty() { ExitCode::from(2) } else { ExitCode::SUCCESS };
    }
    let mut all_read = true;
    for file in &files {
        match inspect(file) {
            Ok(line) => println!("{line}"),
            Err(error) => {
                eprintln!("inspect: {file}: {error}");
                println!("{}", json!({ "file": file, "error": error }));
                all_read = false;
            }
        }
    }
    if all_read { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn inspect(file: &str) -> Result<serde_json::Value, String> {
    let bytes = std::fs::read(file).map_err(|error| error.to_string())?;
    let judgement = judge(&bytes).map_err(|error| error.to_string())?;
    Ok(json!({
        "file": file,
        "kind": judgement.kind,
        "verdict": match judgement.verdict {
            Verdict::Accept => "accept",
            Verdict::Reject => "reject",
            Verdict::Ignore => "ignore",
        },
        "status": judgement.status,
        "method": judgement.method,
        "callId": judgement.call_id,
        "reason": judgement.reason,
    }))
}
