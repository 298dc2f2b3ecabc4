//! A phone without sound for conformance work: commands come in as JSON lines, what happens goes out as JSON lines.
//!
//! ```text
//! cargo run -q --release -p soft-phone-sip --example agent -- --transport udp --local 127.0.0.1:5070 \
//!     --server 127.0.0.1:5060 --uri sip:a@example.com --user a --password p
//! {"do":"call","target":"sip:b@example.com"}
//! ```
//!
//! `--help` lists options and commands. The session description is always the same PCMU one; no media is sent.
//! Threads read the network and the commands; one thread owns the agent and sleeps until something comes or is due.

mod command;
mod net;
mod options;
mod phone;
mod report;
mod sdp;

use std::io::{self, BufRead, Read};
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread;

use net::Input;
use options::Options;
use phone::Phone;

/// Longest command line, in bytes.
const MAX_LINE: u64 = 65_536;

/// Inputs that may wait for the agent; then the threads that read wait.
const MAX_INPUTS: usize = 1_024;

fn main() -> ExitCode {
    match Options::parse(std::env::args().skip(1)).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Option<Options>) -> Result<(), String> {
    let Some(options) = options else {
        print!("{}", options::HELP);
        return Ok(());
    };
    let (to_phone, inputs) = mpsc::sync_channel(MAX_INPUTS);
    let (local, tried) = net::start(&options, &to_phone)?;
    let stay = options.stay;
    thread::spawn(move || {
        // What is said first is meant for a phone that has had its chance to connect. It ends with an error: nothing
        // is ever sent.
        let _ = tried.recv();
        read_commands(&to_phone, stay);
    });
    let mut phone = Phone::new(options, local)?;
    while !phone.is_over() {
        let input = match phone.sleep() {
            None => inputs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(time) => inputs.recv_timeout(time),
        };
        match input {
            Ok(input) => phone.handle(input),
            Err(RecvTimeoutError::Timeout) => phone.wake(),
            // The threads that read the network go on for ever: they cannot all be gone.
            Err(RecvTimeoutError::Disconnected) => return Err("nothing is left to listen to".to_owned()),
        }
    }
    Ok(())
}

/// Cuts the standard input into lines; one that is too long is skipped and reported, those after it are not lost.
fn read_commands(to_phone: &SyncSender<Input>, stay: bool) {
    let mut input = io::stdin().lock();
    let mut sent = Ok(());
    while sent.is_ok() {
        let mut line = Vec::new();
        match input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) if line.len() as u64 == MAX_LINE && line.last() != Some(&b'\n') => {
                sent = to_phone.send(Input::TooLong { limit: MAX_LINE });
                if input.skip_until(b'\n').is_err() {
                    break;
                }
            }
            Ok(_) => sent = to_phone.send(Input::Command(line)),
        }
    }
    if !stay {
        // Refused when the phone is over: then there is nobody to tell.
        let _ = to_phone.send(Input::End);
    }
}
