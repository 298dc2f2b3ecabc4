//! What the driver of the agent does: commands in any state, time, lost connections, a page that is loaded anew.

use std::time::Duration;

use soft_phone_sip::{Agent, Body, CallId, CallOptions, Flow, Replaces, Saved};

use super::{Case, Dice, config};

/// A description that puts the other end on hold.
const HOLD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na=sendonly\r\n";

/// Event packages.
const PACKAGES: [&str; 4] = ["presence", "dialog", "message-summary", "reg"];

impl Case {
    pub(super) fn pass_time(&mut self, dice: &mut Dice) {
        self.now = match self.agent.poll_timeout() {
            Some(at) if dice.below(4) != 0 => self.now.max(at),
            _ => self.now + Duration::from_millis(dice.below(400_000)),
        };
        self.agent.handle_timeout(self.now);
    }

    pub(super) fn command(&mut self, dice: &mut Dice, input: &[u8]) -> Result<(), String> {
        let calls: Vec<CallId> = self.agent.calls().map(|call| call.id()).collect();
        let call = dice.pick(&calls).copied().unwrap_or(CallId(0));
        // As the other end of the call would name it to a third one.
        self.replaces = self
            .agent
            .replaces(call)
            .ok()
            .map(|name| Replaces { to_tag: name.from_tag, from_tag: name.to_tag, ..name }.to_string());
        let (agent, now) = (&mut self.agent, self.now);
        let body = Body::sdp("v=0");
        let text = || Body { content_type: "text/plain".to_owned(), bytes: input[..input.len().min(500)].to_vec() };
        let status = 300 + dice.below(400) as u16;
        // Refusals are as good as any other answer here.
        match dice.below(40) {
            0..=2 => drop(agent.call(now, "600", body, CallOptions::default())),
            3 => drop(agent.call(now, &String::from_utf8_lossy(input), body, CallOptions::default())),
            4 => drop(agent.register(now)),
            5 => drop(agent.unregister(now)),
            6..=9 => drop(agent.answer(now, call, body)),
            10 => drop(agent.hangup(now, call)),
            11 => drop(agent.reject(now, call, status, None)),
            12 | 13 => drop(agent.accept_offer(now, call, body)),
            14 => drop(agent.reject_offer(now, call, 488)),
            15 => drop(agent.options(now, "600")),
            16 => self.reconnect(),
            17 => drop(agent.offer(now, call, body)),
            18 => drop(agent.offer(now, call, Body::sdp(HOLD))),
            19 => drop(agent.transfer(now, call, "601")),
            20 => drop(agent.transfer_unwatched(now, call, "601")),
            21 => drop(agent.transfer_to(now, call, calls.last().copied().unwrap_or(call))),
            22 => drop(agent.accept_transfer(now, self.transfer, body, CallOptions::default())),
            23 => drop(agent.reject_transfer(now, self.transfer, 603)),
            24 => drop(agent.dtmf(now, call, '5', 100)),
            25 => drop(agent.info(now, call, text(), None)),
            26 => drop(agent.update(now, call)),
            27..=29 => {
                let description = (dice.below(2) == 0).then_some(body);
                drop(agent.progress(now, call, 180 + dice.below(4) as u16, description));
            }
            30 => drop(agent.redirect(now, call, "601")),
            31 => drop(agent.hangup_with(now, call, "SIP;cause=200")),
            32 => {
                let replaces = agent.replaces(call).ok();
                let options = CallOptions { redirects: 3, replaces, anonymous: true, ..CallOptions::default() };
                drop(agent.call(now, "600", body, options));
            }
            33 => drop(agent.message(now, "600", text())),
            34 | 35 => {
                let package = dice.pick(&PACKAGES).copied().unwrap_or("presence");
                if let Ok(id) = agent.subscribe(now, "600", package, "") {
                    self.subscription = id;
                }
            }
            36 => drop(agent.unsubscribe(now, self.subscription)),
            37 => {
                let expires = Duration::from_secs(dice.below(7_200));
                if let Ok(id) = agent.publish(now, "presence", text(), expires) {
                    self.publication = id;
                }
            }
            38 if dice.below(2) == 0 => drop(agent.modify(now, self.publication, text())),
            38 => drop(agent.unpublish(now, self.publication)),
            _ => self.reload()?,
        }
        Ok(())
    }

    fn reconnect(&mut self) {
        self.agent.handle_disconnected(self.now, self.flow);
        self.flow = Flow(self.flow.0 + 1);
        self.agent.handle_connected(self.now, self.flow);
    }

    /// The page is loaded anew: calls that stand go on in another agent, the others are over without a word.
    fn reload(&mut self) -> Result<(), String> {
        let saved = serde_json::to_string(&self.agent.save()).map_err(|error| error.to_string())?;
        let saved: Saved = serde_json::from_str(&saved).map_err(|error| error.to_string())?;
        let config = config(self.transport)?;
        let seed = [(self.flow.0 % 255) as u8 + 10; 32];
        self.agent = Agent::restore(self.now, config, seed, &saved)
            .map_err(|error| format!("what was saved is not restored: {error}"))?;
        let agent = &self.agent;
        self.states.retain(|call, _| agent.get(*call).is_some());
        for call in agent.calls() {
            if self.states.get(&call.id()) != Some(&call.state()) {
                return Err(format!("call {:?} is restored as {}", call.id(), call.state()));
            }
        }
        self.flow = Flow(self.flow.0 + 1);
        self.agent.handle_connected(self.now, self.flow);
        Ok(())
    }
}
