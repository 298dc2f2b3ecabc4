//! Host blocks of any size to frames of 10 ms and back, render and capture together.

use crate::{AudioProcessor, Error};

/// Feeds an [`AudioProcessor`] from a host that knows nothing of frames: an audio worklet (128 samples today), a sound
/// card's callback.
///
/// The delay is the least that the block size allows: `frame − gcd(block, frame)` samples, none where blocks are whole
/// frames. Should a block come for which not enough is ready, silence is put in front of it once and the delay grows by
/// as much, to `frame − 1` at most; [`latency`](Self::latency) tells.
#[derive(Clone, Debug)]
pub struct FrameAdapter {
    processor: AudioProcessor,
    near: Vec<f32>,
    far: Vec<f32>,
    /// Samples in the frame that is being filled.
    filled: usize,
    /// Processed samples that wait for the host, oldest first.
    ready: Vec<f32>,
    waiting: usize,
    delay: usize,
}

impl FrameAdapter {
    /// Around `processor`, for a host whose blocks usually have `block` samples; 0 when that is unknown or changes.
    pub fn new(processor: AudioProcessor, block: usize) -> Self {
        let frame = processor.frame_len();
        let mut adapter = Self {
            near: vec![0.0; frame],
            far: vec![0.0; frame],
            filled: 0,
            ready: vec![0.0; 2 * frame],
            waiting: 0,
            delay: 0,
            processor,
        };
        adapter.begin(block);
        adapter
    }

    /// Forgets what was heard, the processor too, and begins anew for blocks of `block` samples (0: unknown). Allocates
    /// nothing.
    pub fn restart(&mut self, block: usize) {
        self.processor.reset();
        self.begin(block);
    }

    fn begin(&mut self, block: usize) {
        let frame = self.processor.frame_len();
        self.delay = if block == 0 { frame - 1 } else { frame - gcd(block, frame) };
        self.waiting = self.delay;
        self.filled = 0;
        self.ready.fill(0.0);
    }

    /// Takes a block of what the loudspeaker plays and one of the microphone, of the same time, and writes as much output.
    ///
    /// Any length, 0 included, and another with each call.
    ///
    /// # Errors
    /// [`Error::BlockLength`] when the three are not equally long; nothing is taken then.
    pub fn process(&mut self, far: &[f32], near: &[f32], out: &mut [f32]) -> Result<(), Error> {
        if far.len() != near.len() || out.len() != near.len() {
            return Err(Error::BlockLength { far: far.len(), near: near.len(), out: out.len() });
        }
        let frame = self.processor.frame_len();
        self.fill_up(near.len());
        let mut done = 0;
        while done < near.len() {
            let count = (frame - self.filled).min(near.len() - done);
            let (block, room) = (done..done + count, self.filled..self.filled + count);
            self.near[room.clone()].copy_from_slice(&near[block.clone()]);
            self.far[room].copy_from_slice(&far[block.clone()]);
            self.filled += count;
            if self.filled == frame {
                self.filled = 0;
                self.processor.process_render(&self.far)?;
                self.processor.process_capture(&self.near, &mut self.ready[self.waiting..self.waiting + frame])?;
                self.waiting += frame;
            }
            out[block].copy_from_slice(&self.ready[..count]);
            self.ready.copy_within(count..self.waiting, 0);
            self.waiting -= count;
            done += count;
        }
        Ok(())
    }

    /// Samples by which the output is later than the input, the processor's own delay included.
    pub fn latency(&self) -> usize {
        self.delay + self.processor.latency()
    }

    /// The processor within, for its statistics.
    pub fn processor(&self) -> &AudioProcessor {
        &self.processor
    }

    /// The processor within, to configure it.
    pub fn processor_mut(&mut self) -> &mut AudioProcessor {
        &mut self.processor
    }

    /// Puts silence in front of what is ready, if that would not do for a block of `length`.
    fn fill_up(&mut self, length: usize) {
        let frame = self.processor.frame_len();
        let coming = (self.filled + length) / frame * frame;
        let missing = length.saturating_sub(self.waiting + coming);
        self.ready.copy_within(..self.waiting, missing);
        self.ready[..missing].fill(0.0);
        self.waiting += missing;
        self.delay += missing;
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
