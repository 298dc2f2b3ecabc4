//! JSON lines in: each becomes one command of the agent, and is answered by one line.

mod calls;
mod messages;

use serde_json::{Map, Value, json};

use crate::phone::Phone;
use crate::report;

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
        let now = self.now();
        match what {
            "register" => said(self.agent.register(now)),
            "unregister" => said(self.agent.unregister(now)),
            "bindings" => self.agent.query_bindings(now).map(|query| json!({ "query": query.0 })).map_err(words),
            "status" => Ok(report::status(&self.agent)),
            _ => self
                .call_command(what, fields)
                .or_else(|| self.message_command(what, fields))
                .unwrap_or_else(|| Err(format!("no such command: {what}"))),
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

fn status(fields: &Fields, default: u16) -> Result<u16, String> {
    match number(fields, "status")? {
        None => Ok(default),
        Some(status) => u16::try_from(status).map_err(|_| "\"status\" is out of range".to_owned()),
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
