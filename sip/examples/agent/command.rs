//! JSON lines in: each becomes one command of the agent, and is answered by one line.

use serde_json::{Map, Value, json};
use soft_phone_sip::{Body, CallId, CallOptions};

use crate::phone::{Phone, Talk};
use crate::report;
use crate::sdp::Session;

/// The fields of a command.
type Fields = Map<String, Value>;

impl Phone {
    /// Does what a line says; says what became of it.
    pub fn command(&mut self, line: &[u8]) {
        if line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        let fields = match serde_json::from_slice::<Value>(line) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) => return self.print(report::error("not a JSON object".to_owned())),
            Err(error) => return self.print(report::error(format!("not JSON: {error}"))),
        };
        let what = fields.get("do").cloned().unwrap_or_default();
        let done = match what.as_str() {
            Some("quit") => {
                self.quit();
                Ok(Value::Null)
            }
            Some(what) => self.run(what, &fields),
            None => Err("\"do\" is missing".to_owned()),
        };
        let mut answer = match done {
            Ok(Value::Object(more)) => {
                let mut answer = json!({ "event": "done" });
                for (name, value) in more {
                    answer[name] = value;
                }
                answer
            }
            Ok(_) => json!({ "event": "done" }),
            Err(error) => report::error(error),
        };
        answer["do"] = what;
        if let Some(id) = fields.get("id") {
            answer["id"] = id.clone();
        }
        self.print(answer);
    }

    /// `Ok`: what the answer carries beside `do`.
    fn run(&mut self, what: &str, fields: &Fields) -> Result<Value, String> {
        let (now, local) = (self.now(), self.local.ip());
        match what {
            "register" => said(self.agent.register(now)),
            "unregister" => said(self.agent.unregister(now)),
            "call" => {
                #[allow(clippy::needless_update, reason = "the others have no field in a command yet")]
                let options = CallOptions { headers: headers(fields)?, ..CallOptions::default() };
                let mut session = Session::new(now.as_micros());
                let call =
                    self.agent.call(now, text(fields, "target")?, session.offer(local), options).map_err(words)?;
                self.talks.insert(call, Talk { session, offer: None });
                Ok(json!({ "call": call.0 }))
            }
            "options" => {
                let query = self.agent.options(now, text(fields, "target")?).map_err(words)?;
                Ok(json!({ "query": query.0 }))
            }
            "status" => Ok(report::status(&self.agent)),
            "transfer" => {
                let call = self.call_of(fields)?;
                let done = match number(fields, "to")? {
                    Some(other) => self.agent.transfer_to(now, call, CallId(other)),
                    None if flag(fields, "unwatched")? => {
                        self.agent.transfer_unwatched(now, call, text(fields, "target")?)
                    }
                    None => self.agent.transfer(now, call, text(fields, "target")?),
                };
                done.map_err(words)?;
                Ok(json!({ "call": call.0 }))
            }
            "dtmf" => self.dtmf(fields),
            "info" => {
                let content_type = text(fields, "type")?.to_owned();
                let body = Body { content_type, bytes: text(fields, "body")?.as_bytes().to_vec() };
                let package = optional(fields, "package")?;
                let query = self.agent.info(now, self.call_of(fields)?, body, package).map_err(words)?;
                Ok(json!({ "query": query.0 }))
            }
            "ring" | "answer" | "reject" | "hangup" => {
                let call = self.call_of(fields)?;
                let done = match what {
                    "ring" => self.agent.ring(now, call),
                    "answer" => self.answer(call),
                    "reject" => {
                        let status = number(fields, "status")?.unwrap_or(486);
                        let status = u16::try_from(status).map_err(|_| "\"status\" is out of range")?;
                        self.agent.reject(now, call, status, optional(fields, "reason")?)
                    }
                    _ => self.agent.hangup(now, call),
                };
                done.map_err(words)?;
                Ok(json!({ "call": call.0 }))
            }
            _ => Err(format!("no such command: {what}")),
        }
    }

    /// One INFO a key.
    fn dtmf(&mut self, fields: &Fields) -> Result<Value, String> {
        let (now, call) = (self.now(), self.call_of(fields)?);
        let duration = number(fields, "duration")?.unwrap_or(100);
        let duration = u16::try_from(duration).map_err(|_| "\"duration\" is out of range")?;
        let mut queries = Vec::new();
        for tone in text(fields, "tones")?.chars() {
            queries.push(self.agent.dtmf(now, call, tone, duration).map_err(words)?.0);
        }
        Ok(json!({ "call": call.0, "queries": queries }))
    }

    /// The call that is meant: by number, or the only one.
    fn call_of(&self, fields: &Fields) -> Result<CallId, String> {
        if let Some(call) = number(fields, "call")? {
            return Ok(CallId(call));
        }
        let mut calls = self.agent.calls();
        match (calls.next(), calls.next()) {
            (Some(call), None) => Ok(call.id()),
            (None, _) => Err("there is no call".to_owned()),
            _ => Err("\"call\" is missing, and there are several".to_owned()),
        }
    }
}

fn said(done: Result<(), soft_phone_sip::Error>) -> Result<Value, String> {
    done.map(|()| Value::Null).map_err(words)
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn words(error: soft_phone_sip::Error) -> String {
    error.to_string()
}

fn text<'a>(fields: &'a Fields, name: &str) -> Result<&'a str, String> {
    match fields.get(name) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(format!("\"{name}\" is not a text")),
        None => Err(format!("\"{name}\" is missing")),
    }
}

fn optional<'a>(fields: &'a Fields, name: &str) -> Result<Option<&'a str>, String> {
    if fields.contains_key(name) { text(fields, name).map(Some) } else { Ok(None) }
}

fn flag(fields: &Fields, name: &str) -> Result<bool, String> {
    match fields.get(name) {
        None => Ok(false),
        Some(value) => value.as_bool().ok_or_else(|| format!("\"{name}\" is neither true nor false")),
    }
}

fn number(fields: &Fields, name: &str) -> Result<Option<u64>, String> {
    match fields.get(name) {
        None => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or_else(|| format!("\"{name}\" is not a whole number")),
    }
}

fn headers(fields: &Fields) -> Result<Vec<(String, String)>, String> {
    let headers = match fields.get("headers") {
        None => return Ok(Vec::new()),
        Some(Value::Object(headers)) => headers,
        Some(_) => return Err("\"headers\" is not an object".to_owned()),
    };
    headers.iter().map(|(name, _)| Ok((name.clone(), text(headers, name)?.to_owned()))).collect()
}
