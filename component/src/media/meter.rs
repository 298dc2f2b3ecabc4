//! How loud the microphone is: the voice engine in an audio worklet, beside the call and never in its way.
//!
//! The engine's wasm is compiled once a page and handed over as a module, since a worklet can fetch nothing. Where any
//! part of it is missing there is no level, and the call goes on.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::WebAssembly::{self, Module};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    AudioContext, AudioWorkletNode, AudioWorkletNodeOptions, ChannelCountMode, MediaStream, MediaStreamAudioSourceNode,
    MessageEvent, Response,
};

use crate::js;
use crate::listener::Listener;

/// Name under which `processor.js` registers itself.
const PROCESSOR: &str = "soft-phone-processor";

/// The engine for browsers with SIMD, and the one for those without.
const ENGINES: [&str; 2] = ["engine.wasm", "engine-scalar.wasm"];

thread_local! {
    /// The page's audio context with the processor in it, and the engine's module: made once, for all calls.
    static STUDIO: RefCell<Option<Studio>> = const { RefCell::new(None) };
    /// Meters that run: with none, the context must not keep the sound card awake.
    static RUNNING: Cell<u32> = const { Cell::new(0) };
}

#[derive(Clone)]
struct Studio {
    context: AudioContext,
    module: Module,
}

/// The level of one microphone. Dropped, it lets go of the stream.
pub struct Meter {
    /// `None` until everything is loaded.
    _nodes: Rc<RefCell<Option<Nodes>>>,
}

struct Nodes {
    context: AudioContext,
    source: MediaStreamAudioSourceNode,
    node: AudioWorkletNode,
    _listener: Listener,
}

impl Meter {
    /// Measures `stream`; `report` gets the level ten times a second, dBFS (RMS), −100 to 0.
    pub fn attach(stream: MediaStream, report: impl Fn(f32) + 'static) -> Meter {
        let nodes = Rc::new(RefCell::new(None));
        let wanted = Rc::downgrade(&nodes);
        spawn_local(async move {
            // No meter, no harm: the level is simply not shown.
            if let Ok(studio) = studio().await
                && let Some(slot) = wanted.upgrade()
                && let Ok(connected) = Nodes::connect(studio, &stream, report)
            {
                slot.replace(Some(connected));
            }
        });
        Meter { _nodes: nodes }
    }
}

impl Nodes {
    fn connect(studio: Studio, stream: &MediaStream, report: impl Fn(f32) + 'static) -> Result<Nodes, JsValue> {
        let Studio { context, module } = studio;
        let options = AudioWorkletNodeOptions::new();
        // One output, never written to: what leads nowhere need not be run.
        options.set_number_of_outputs(1);
        options.set_channel_count(1);
        options.set_channel_count_mode(ChannelCountMode::Explicit);
        options.set_processor_options(Some(&js::object(&[("module", module.into())])));
        let node = AudioWorkletNode::new_with_options(&context, PROCESSOR, &options)?;
        let port = node.port()?;
        let listener = Listener::new(&port, "message", move |event| {
            if let Some(level) = js::get(&event.unchecked_ref::<MessageEvent>().data(), "level").as_f64() {
                report(level as f32);
            }
        });
        port.start();
        let source = context.create_media_stream_source(stream)?;
        source.connect_with_audio_node(&node)?;
        node.connect_with_audio_node(&context.destination())?;
        RUNNING.set(RUNNING.get() + 1);
        let _ = context.resume();
        Ok(Nodes { context, source, node, _listener: listener })
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        let _ = self.source.disconnect();
        let _ = self.node.disconnect();
        if let Ok(port) = self.node.port() {
            let _ = port.post_message(&JsValue::from_str("end"));
        }
        RUNNING.set(RUNNING.get().saturating_sub(1));
        if RUNNING.get() == 0 {
            let _ = self.context.suspend();
        }
    }
}

async fn studio() -> Result<Studio, JsValue> {
    if let Some(studio) = STUDIO.with_borrow(Clone::clone) {
        return Ok(studio);
    }
    let module = engine().await?;
    let context = AudioContext::new()?;
    JsFuture::from(context.audio_worklet()?.add_module(&js::beside("processor.js"))?).await?;
    // Two calls may have begun at once: the studio that was ready first serves both.
    Ok(STUDIO.with_borrow_mut(|studio| studio.get_or_insert(Studio { context, module }).clone()))
}

/// Compiles the first engine that this browser can run.
async fn engine() -> Result<Module, JsValue> {
    let window = web_sys::window().ok_or(JsValue::UNDEFINED)?;
    let mut refused = JsValue::UNDEFINED;
    for name in ENGINES {
        let response: Response = JsFuture::from(window.fetch_with_str(&js::beside(name))).await?.unchecked_into();
        let bytes = JsFuture::from(response.array_buffer()?).await?;
        match JsFuture::from(WebAssembly::compile(&bytes)).await {
            Ok(module) => return Ok(module.unchecked_into()),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}
