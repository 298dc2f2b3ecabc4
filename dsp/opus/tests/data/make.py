"""Makes the reference vectors with libopus (Debian 12: libopus0 1.3.1), in this folder.

voice.packets: 40 packets of 20 ms, each behind its length (16 bits, little-endian): 28 of a voice at 32 kbit/s with
in-band FEC for 20 % loss, then 12 of music at 64 kbit/s.
voice.s16: what libopus decodes of them at 48 kHz when packets 2 and 15 to 17 are lost, 2 recovered from the copy in
packet 3, the others concealed; 16 bits, little-endian.
"""

import array
import ctypes
import math
import pathlib
import struct

opus = ctypes.CDLL("libopus.so.0")
opus.opus_encoder_create.restype = opus.opus_decoder_create.restype = ctypes.c_void_p
opus.opus_get_version_string.restype = ctypes.c_char_p
print(opus.opus_get_version_string().decode())

RATE, FRAME = 48_000, 960
LOST_WITH_COPY, LOST = {2}, {15, 16, 17}


def signal(packets):
    """Glottal pulses through three formants, in syllables; chords later."""
    phase, states, out = 0.0, [[0.0, 0.0] for _ in range(3)], []
    for n in range(packets * FRAME):
        t = n / RATE
        if n >= 28 * FRAME:
            chord = sum(math.sin(2 * math.pi * f * t) for f in (330, 415, 495, 3300, 7100))
            out.append(int(4_000 * chord * (0.6 + 0.4 * math.sin(20 * t))))
            continue
        phase += (120 + 20 * math.sin(2.1 * 6.28 * t)) / RATE
        pulse = 1.0 if phase >= 1 else 0.0
        phase %= 1
        total = 0.0
        for state, formant in zip(states, (600, 1300, 2500)):
            radius = math.exp(-math.pi * 90 / RATE)
            y = pulse + 2 * radius * math.cos(2 * math.pi * formant / RATE) * state[0] - radius * radius * state[1]
            state[0], state[1] = y, state[0]
            total += y
        syllable = max(0.0, math.sin(2 * math.pi * 4 * t)) ** 0.3
        out.append(max(-32768, min(32767, int(250 * total * syllable))))
    return out


def main():
    folder, error = pathlib.Path(__file__).parent, ctypes.c_int()
    voip, audio = 2048, 2049
    set_bitrate, set_fec, set_loss, set_mode = 4002, 4012, 4014, 11002
    encoder = ctypes.c_void_p(opus.opus_encoder_create(RATE, 1, voip, ctypes.byref(error)))
    for request, value in ((set_bitrate, 32_000), (set_fec, 1), (set_loss, 20)):
        assert opus.opus_encoder_ctl(encoder, request, ctypes.c_int(value)) == 0
    packets = []
    samples = signal(40)
    for number in range(40):
        if number == 28:
            encoder = ctypes.c_void_p(opus.opus_encoder_create(RATE, 1, audio, ctypes.byref(error)))
            for request, value in ((set_bitrate, 64_000), (set_mode, 1002)):
                assert opus.opus_encoder_ctl(encoder, request, ctypes.c_int(value)) == 0
        pcm = (ctypes.c_int16 * FRAME)(*samples[number * FRAME:][:FRAME])
        room = ctypes.create_string_buffer(1500)
        length = opus.opus_encode(encoder, pcm, FRAME, room, 1500)
        packets.append(room.raw[:length])
    (folder / "voice.packets").write_bytes(b"".join(struct.pack("<H", len(p)) + p for p in packets))

    decoder, decoded = ctypes.c_void_p(opus.opus_decoder_create(RATE, 1, ctypes.byref(error))), array.array("h")
    for number, packet in enumerate(packets):
        out = (ctypes.c_int16 * FRAME)()
        if number in LOST_WITH_COPY:
            packet, fec = packets[number + 1], 1
        else:
            packet, fec = None if number in LOST else packet, 0
        assert opus.opus_decode(decoder, packet, len(packet or b""), out, FRAME, fec) == FRAME
        decoded.extend(out)
    (folder / "voice.s16").write_bytes(decoded.tobytes())
    print([len(packet) for packet in packets], [(packet[0] >> 3, packet[1] >> 6 & 1) for packet in packets])


main()
