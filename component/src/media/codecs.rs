//! Which codec is offered first.

use js_sys::Array;
use wasm_bindgen::JsValue;
use web_sys::{RtcRtpReceiver, RtcRtpTransceiver};

use crate::js;

/// Puts the codecs that `wanted` names (`opus G722 PCMA PCMU`, best first) before all others. The others stay: two
/// phones must not fail to meet for want of a preference. Browsers that cannot order keep their own order.
pub fn prefer(transceiver: &RtcRtpTransceiver, wanted: &str) {
    if wanted.trim().is_empty() {
        return;
    }
    let Some(capabilities) = RtcRtpReceiver::get_capabilities("audio") else { return };
    let codecs: Vec<JsValue> = Array::from(&js::get(&capabilities, "codecs")).to_vec();
    let name = |codec: &JsValue| js::get(codec, "mimeType").as_string().unwrap_or_default();
    let list = Array::new();
    for codec in in_order(&codecs, |codec| rank(wanted, &name(codec))) {
        list.push(codec);
    }
    let _ = js::call(transceiver, "setCodecPreferences", &[list.into()]);
}

/// Those of a small rank first, equals as they stood. The standard library's sort is 2 kB more in the page.
fn in_order<T>(codecs: &[T], rank: impl Fn(&T) -> usize) -> Vec<&T> {
    let mut ordered: Vec<(usize, &T)> = Vec::new();
    for codec in codecs {
        let rank = rank(codec);
        ordered.insert(ordered.partition_point(|(before, _)| *before <= rank), (rank, codec));
    }
    ordered.into_iter().map(|(_, codec)| codec).collect()
}

/// Place of `audio/NAME` in the list; behind it when it is not there.
fn rank(wanted: &str, mime_type: &str) -> usize {
    let name = mime_type.split_once('/').map_or(mime_type, |(_, name)| name);
    let names = || wanted.split([' ', ',', '\t', '\n']).filter(|name| !name.is_empty());
    names().position(|wanted| wanted.eq_ignore_ascii_case(name)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::{in_order, rank};

    #[test]
    fn what_is_named_comes_first_and_keeps_its_order() {
        let codecs = ["audio/opus", "audio/red", "audio/G722", "audio/PCMU", "audio/PCMA"];
        let ordered = in_order(&codecs, |codec| rank("pcma,  OPUS", codec));
        assert_eq!(ordered, [&"audio/PCMA", &"audio/opus", &"audio/red", &"audio/G722", &"audio/PCMU"]);
    }
}
