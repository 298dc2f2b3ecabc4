//! A conference: each far end hears us and all the others, mixed here by Web Audio. What we hear needs no mixing, each
//! call plays by itself.

use wasm_bindgen::JsValue;
use web_sys::{
    AudioContext, AudioNode, MediaStream, MediaStreamAudioDestinationNode, MediaStreamAudioSourceNode, MediaStreamTrack,
};

/// The mix of some calls. Dropped, it lets go of everything.
pub struct Mixer {
    context: AudioContext,
    /// One for each call.
    ends: Vec<MediaStreamAudioDestinationNode>,
    /// Kept for as long as they are heard: browsers collect sources that nobody holds.
    sources: Vec<MediaStreamAudioSourceNode>,
}

impl Mixer {
    /// Mixes calls, of each the microphone as that call has it and the far end.
    ///
    /// # Errors
    /// The browser's exception where there is no Web Audio, or a stream without sound.
    pub fn new(calls: &[(MediaStream, MediaStream)]) -> Result<Mixer, JsValue> {
        let context = AudioContext::new()?;
        let mut mixer = Mixer { context, ends: Vec::with_capacity(calls.len()), sources: Vec::new() };
        for _ in calls {
            mixer.ends.push(MediaStreamAudioDestinationNode::new(&mixer.context)?);
        }
        for (index, (microphone, remote)) in calls.iter().enumerate() {
            let microphone = mixer.source(microphone)?;
            connect(&microphone, mixer.ends.get(index))?;
            let remote = mixer.source(remote)?;
            for (other, end) in mixer.ends.iter().enumerate() {
                if other != index {
                    connect(&remote, Some(end))?;
                }
            }
            mixer.sources.extend([microphone, remote]);
        }
        // Without a gesture the context waits; a conference begins with one, or on a page that may play.
        let _ = mixer.context.resume()?;
        Ok(mixer)
    }

    /// What the call of that number is to be sent.
    pub fn track(&self, index: usize) -> Option<MediaStreamTrack> {
        let track = self.ends.get(index)?.stream().get_audio_tracks().get(0);
        wasm_bindgen::JsCast::dyn_into(track).ok()
    }

    fn source(&self, stream: &MediaStream) -> Result<MediaStreamAudioSourceNode, JsValue> {
        self.context.create_media_stream_source(stream)
    }
}

fn connect(source: &MediaStreamAudioSourceNode, end: Option<&MediaStreamAudioDestinationNode>) -> Result<(), JsValue> {
    let Some(end) = end else { return Ok(()) };
    let (source, end): (&AudioNode, &AudioNode) = (source, end);
    source.connect_with_audio_node(end).map(drop)
}

impl Drop for Mixer {
    fn drop(&mut self) {
        let _ = self.context.close();
    }
}
