//! From the click to the INVITE on the wire: ours and JsSIP's, on one page, in one browser, to one server.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::asterisk::SERVER;
use crate::browser::{Browser, Kind, SOON, Voice};
use crate::phone::account;
use crate::rig::Rig;

/// Pages, and calls of each phone on one. Chromium gives a page sixteen unprocessed
/// microphones, and the probe asks for unprocessed ones.
const PAGES: usize = 4;
const CALLS: usize = 5;

/// The median of twenty calls each, taken in turns; ours must not be slower.
pub async fn chromium(rig: &Rig) -> Result<()> {
    let browser = Browser::open(rig, Kind::Chromium, Voice::A).await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..PAGES {
        browser.load(rig, "peer.html").await?;
        browser.until("customElements.get('soft-phone')", SOON).await?;
        browser.run("probe.make({ lang: 'en' }); probe.phone().account = args", account("100", "pw-100")).await?;
        browser.until("probe.phone().registration === 'registered'", SOON).await?;
        let peer = json!({ "server": SERVER, "uri": "sip:101@127.0.0.1", "password": "pw-101" });
        browser.run("await peer.register(args)", peer).await?;
        for _ in 0..CALLS {
            browser.run("probe.phone().open(); probe.phone().dial('603')", json!(null)).await?;
            browser.until("probe.usable('call')", SOON).await?;
            ours.push(time(&browser, "probe.press('call')", "probe.call()?.state === 'ringing'").await?);
            browser.run("probe.press('hangup')", json!(null)).await?;
            browser.until("probe.phone().calls.length === 0", SOON).await?;
            let rings = "peer.states.some(it => it.state === 'progress')";
            theirs.push(time(&browser, "peer.states.length = 0; peer.call('603')", rings).await?);
            browser.run("peer.session.terminate()", json!(null)).await?;
            browser.until("peer.states.some(it => it.state === 'failed')", SOON).await?;
        }
    }
    let calls = ours.len();
    let (ours, theirs) = (median(ours), median(theirs));
    println!("click to INVITE on the wire, median of {calls}: <soft-phone> {ours:.1} ms, JsSIP {theirs:.1} ms");
    ensure!(ours <= theirs, "<soft-phone> takes {ours:.1} ms, JsSIP {theirs:.1} ms");
    Ok(())
}

/// Milliseconds from the click that `call` makes to its INVITE; waits until it `rings`.
async fn time(browser: &Browser, call: &str, rings: &str) -> Result<f64> {
    let body = format!(
        "probe.wire.length = probe.clicks.length = 0; {call};\
         const invite = await probe.until(() => probe.sent('INVITE')[0], 10000);\
         return invite.at - probe.clicks[0]"
    );
    let took = browser.run(&body, json!(null)).await?.as_f64().context("a click and an INVITE")?;
    browser.until(rings, SOON).await?;
    Ok(took)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    let (below, above) = (times[(times.len() - 1) / 2], times[times.len() / 2]);
    f64::midpoint(below, above)
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(median(vec![4.0, 1.0, 100.0, 2.0]), 3.0);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    }
}
