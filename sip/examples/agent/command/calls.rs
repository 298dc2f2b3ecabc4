//! Commands about calls.

use serde_json::{Value, json};
use soft_phone_sip::{Body, CallId, CallOptions};

use super::{Fields, flag, headers, number, optional, status, text, words};
use crate::phone::{Phone, Talk};
use crate::sdp::Session;

impl Phone {
    /// `None`: not one of these.
    pub(super) fn call_command(&mut self, what: &str, fields: &Fields) -> Option<Result<Value, String>> {
        let done = match what {
            "call" => return Some(self.make_call(fields)),
            "ring" | "progress" | "answer" | "reject" | "redirect" | "hangup" => self.settle(what, fields),
            "hold" | "resume" | "update" => self.change(what, fields),
            "transfer" => self.transfer(fields),
            "dtmf" => return Some(self.dtmf(fields)),
            "info" => return Some(self.info(fields)),
            _ => return None,
        };
        Some(done.map(|call| json!({ "call": call.0 })))
    }

    fn make_call(&mut self, fields: &Fields) -> Result<Value, String> {
        let (now, local) = (self.now(), self.local.ip());
        let replaces = optional(fields, "replaces")?.map(str::parse).transpose().map_err(words)?;
        let redirects = number(fields, "redirects")?.unwrap_or(0);
        let options = CallOptions {
            headers: headers(fields)?,
            redirects: u8::try_from(redirects).map_err(|_| "\"redirects\" is out of range")?,
            replaces,
            anonymous: flag(fields, "anonymous")?,
            auto_answer: flag(fields, "autoAnswer")?,
        };
        let mut session = Session::new(now.as_micros());
        let call = self.agent.call(now, text(fields, "target")?, session.offer(local), options).map_err(words)?;
        self.talks.insert(call, Talk { session, offer: None });
        Ok(json!({ "call": call.0 }))
    }

    /// A call that is not answered yet, or that is to end.
    fn settle(&mut self, what: &str, fields: &Fields) -> Result<CallId, String> {
        let (now, call) = (self.now(), self.call_of(fields)?);
        let done = match what {
            "ring" => self.agent.ring(now, call),
            "answer" => self.answer(call, false),
            "progress" => {
                let status = status(fields, 183)?;
                let body = if flag(fields, "media")? { self.description(call) } else { None };
                self.agent.progress(now, call, status, body)
            }
            "reject" => self.agent.reject(now, call, status(fields, 486)?, optional(fields, "reason")?),
            "redirect" => self.agent.redirect(now, call, text(fields, "target")?),
            _ => match optional(fields, "reason")? {
                Some(reason) => self.agent.hangup_with(now, call, reason),
                None => self.agent.hangup(now, call),
            },
        };
        done.map(|()| call).map_err(words)
    }

    /// An established call.
    fn change(&mut self, what: &str, fields: &Fields) -> Result<CallId, String> {
        let (now, local, call) = (self.now(), self.local.ip(), self.call_of(fields)?);
        let done = if what == "update" {
            self.agent.update(now, call)
        } else {
            let talk = self.talks.get_mut(&call).ok_or("no such call")?;
            self.agent.offer(now, call, talk.session.hold(local, what == "hold"))
        };
        done.map(|()| call).map_err(words)
    }

    fn transfer(&mut self, fields: &Fields) -> Result<CallId, String> {
        let (now, call) = (self.now(), self.call_of(fields)?);
        let done = match number(fields, "to")? {
            Some(other) => self.agent.transfer_to(now, call, CallId(other)),
            None if flag(fields, "unwatched")? => self.agent.transfer_unwatched(now, call, text(fields, "target")?),
            None => self.agent.transfer(now, call, text(fields, "target")?),
        };
        done.map(|()| call).map_err(words)
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

    fn info(&mut self, fields: &Fields) -> Result<Value, String> {
        let (now, call) = (self.now(), self.call_of(fields)?);
        let content_type = text(fields, "type")?.to_owned();
        let body = Body { content_type, bytes: text(fields, "body")?.as_bytes().to_vec() };
        let query = self.agent.info(now, call, body, optional(fields, "package")?).map_err(words)?;
        Ok(json!({ "call": call.0, "query": query.0 }))
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
