//! Commands outside of calls: messages, subscriptions, publications, questions.

use std::time::Duration;

use serde_json::{Value, json};
use soft_phone_sip::{Body, PublicationId, SubscriptionId};

use super::{Fields, number, optional, text, words};
use crate::phone::Phone;

impl Phone {
    /// `None`: not one of these.
    pub(super) fn message_command(&mut self, what: &str, fields: &Fields) -> Option<Result<Value, String>> {
        Some(match what {
            "options" => self.options(fields),
            "message" => self.message(fields),
            "subscribe" => self.subscribe(fields),
            "unsubscribe" => self.unsubscribe(fields),
            "publish" => self.publish(fields),
            "unpublish" => self.unpublish(fields),
            _ => return None,
        })
    }

    fn options(&mut self, fields: &Fields) -> Result<Value, String> {
        let query = self.agent.options(self.now(), text(fields, "target")?).map_err(words)?;
        Ok(json!({ "query": query.0 }))
    }

    fn message(&mut self, fields: &Fields) -> Result<Value, String> {
        let content_type = optional(fields, "type")?.unwrap_or("text/plain").to_owned();
        let body = Body { content_type, bytes: text(fields, "text")?.as_bytes().to_vec() };
        let query = self.agent.message(self.now(), text(fields, "target")?, body).map_err(words)?;
        Ok(json!({ "query": query.0 }))
    }

    fn subscribe(&mut self, fields: &Fields) -> Result<Value, String> {
        let package = text(fields, "package")?;
        let accept = match (optional(fields, "accept")?, package) {
            (Some(accept), _) => accept,
            // RFC 3856 §6.7, RFC 4235 §3.5, RFC 3842 §3.5, RFC 3680 §4.5: what each package speaks.
            (None, "presence") => "application/pidf+xml",
            (None, "dialog") => "application/dialog-info+xml",
            (None, "message-summary") => "application/simple-message-summary",
            (None, "reg") => "application/reginfo+xml",
            (None, _) => return Err("\"accept\" is missing".to_owned()),
        };
        let target = text(fields, "target")?;
        let subscription = self.agent.subscribe(self.now(), target, package, accept).map_err(words)?;
        Ok(json!({ "subscription": subscription.0 }))
    }

    fn unsubscribe(&mut self, fields: &Fields) -> Result<Value, String> {
        let subscription = number(fields, "subscription")?.ok_or("\"subscription\" is missing")?;
        self.agent.unsubscribe(self.now(), SubscriptionId(subscription)).map_err(words)?;
        Ok(json!({ "subscription": subscription }))
    }

    /// A new publication, or what one says from now on.
    fn publish(&mut self, fields: &Fields) -> Result<Value, String> {
        let now = self.now();
        let content_type = text(fields, "type")?.to_owned();
        let body = Body { content_type, bytes: text(fields, "body")?.as_bytes().to_vec() };
        if let Some(publication) = number(fields, "publication")? {
            self.agent.modify(now, PublicationId(publication), body).map_err(words)?;
            return Ok(json!({ "publication": publication }));
        }
        let expires = Duration::from_secs(number(fields, "expires")?.unwrap_or(3_600));
        let publication = self.agent.publish(now, text(fields, "package")?, body, expires).map_err(words)?;
        Ok(json!({ "publication": publication.0 }))
    }

    fn unpublish(&mut self, fields: &Fields) -> Result<Value, String> {
        let publication = number(fields, "publication")?.ok_or("\"publication\" is missing")?;
        self.agent.unpublish(self.now(), PublicationId(publication)).map_err(words)?;
        Ok(json!({ "publication": publication }))
    }
}
