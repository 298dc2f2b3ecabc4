// Packets on their way from a worker to a worklet in shared memory, where the page is cross-origin isolated: one side writes,
// the other one reads, and no event loop stands between them.

// More than a second of packets of 20 ms; a power of two, so that counters may wrap.
const PLACES = 64;
// `soft_phone_receive`'s longest payload, bytes.
const LONGEST = 1500;
// Length, payload type, codec, sequence number, timestamp, source.
const HEAD = 6;
const PLACE = HEAD + LONGEST / 4;
// How many were written and read.
const [WRITTEN, READ] = [0, 1];
const COUNTERS = 2;

const WORD = 4;

/** The memory that both ends share. */
export const memory = () => new SharedArrayBuffer((COUNTERS + PLACES * PLACE) * WORD);

/** What both ends know. */
class End {
  constructor(shared) {
    this.words = new Uint32Array(shared);
    this.bytes = new Uint8Array(shared);
  }

  count(of) { return Atomics.load(this.words, of); }

  /** The first word of the place of a packet. */
  place(number) { return COUNTERS + (number % PLACES) * PLACE; }
}

/** The worker's end. */
export class Writer extends End {
  /** Adds a packet; one for which there is no place is lost, as on the network. */
  write({ payloadType, codec, sequence, timestamp, ssrc, payload }) {
    const written = this.count(WRITTEN);
    if (payload.byteLength > LONGEST || written - this.count(READ) >>> 0 >= PLACES) return;
    const at = this.place(written);
    this.words.set([payload.byteLength, payloadType, codec, sequence, timestamp, ssrc], at);
    this.bytes.set(payload, (at + HEAD) * WORD);
    Atomics.store(this.words, WRITTEN, written + 1);
  }

  close() {}
}

/** The worklet's end. */
export class Reader extends End {
  // The same for each: what is made in the audio thread would be rubbish to collect.
  packet = {};

  /** Hands all packets that have come to `take`, which keeps none of them. */
  read(take) {
    const written = this.count(WRITTEN);
    let read = this.count(READ);
    // Nobody has read for more than a second: what lies there is of no use any more, and what came since is lost.
    if (written - read >>> 0 >= PLACES) read = written;
    for (; read !== written; read = read + 1 >>> 0) {
      const at = this.place(read);
      const { words, packet } = this;
      const from = (at + HEAD) * WORD;
      packet.payloadType = words[at + 1];
      packet.codec = words[at + 2];
      packet.sequence = words[at + 3];
      packet.timestamp = words[at + 4];
      packet.ssrc = words[at + 5];
      packet.payload = this.bytes.subarray(from, from + words[at]);
      take(packet);
    }
    Atomics.store(this.words, READ, read);
  }
}
