"""Endless seeded batches of audio: speech, noise and residual echo mixed anew each time."""
import itertools
import multiprocessing
import queue
from pathlib import Path

import numpy as np
import scipy.fft
import scipy.signal as signal

RATE, FRAME = 16_000, 160
# Bins of a filter's gains, and its taps.
BINS, TAPS = 257, 129


class Clips:
    """An archive of collect_audio.py."""

    def __init__(self, path):
        data = np.load(path)
        self.audio, self.start = data["audio"], data["start"]
        unique, self.voice = np.unique(data["voice"], return_inverse=True)
        self.of_voice = [np.flatnonzero(self.voice == v) for v in range(len(unique))]

    def clip(self, k):
        return self.audio[self.start[k]:self.start[k + 1]].astype(np.float32) / 32_768

    def any(self, rng):
        """A clip: mostly the longer, the likelier, for most of the short ones are single knocks."""
        if rng.random() < 0.7:
            return self.clip(int(np.searchsorted(self.start, rng.integers(self.start[-1]), "right")) - 1)
        return self.clip(int(rng.integers(len(self.voice))))


def room(rng):
    """A seeded room's answer: direct sound, a few reflections, a decaying tail that loses its treble first."""
    decay = rng.uniform(0.08, 0.7)
    n = int(RATE * min(decay, 0.5))
    t = np.arange(n) / RATE
    tail = rng.standard_normal(n) * 10 ** (-3 * t / decay)
    tail = signal.lfilter([1 - 0.4], [1, -0.4], tail) if rng.random() < 0.5 else tail
    begin = int(RATE * rng.uniform(0.002, 0.02))
    tail[:begin] = 0
    for _ in range(int(rng.integers(2, 8))):
        at = int(RATE * rng.uniform(0.0008, 0.03))
        if at < n:
            tail[at] += rng.normal() * 2
    tail *= 10 ** (-rng.uniform(0, 18) / 20) / np.sqrt(np.sum(tail ** 2) + 1e-9)
    tail[0] = 1
    return tail.astype(np.float32)


def tilt(rng, strength):
    """A smooth random gain for each bin, dB within ± strength."""
    points = np.concatenate([[0], np.sort(rng.uniform(1, BINS - 1, 3)), [BINS - 1]])
    return 10 ** (np.interp(np.arange(BINS), points, rng.uniform(-strength, strength, 5)) / 20)


def filtered(audio, gains):
    """A filter of linear phase: all of a batch are as late."""
    answer = np.roll(scipy.fft.irfft(gains, 2 * BINS - 2), TAPS // 2)[:TAPS] * np.hanning(TAPS + 2)[1:-1]
    return signal.oaconvolve(audio, answer)[: len(audio)].astype(np.float32)


class Mixer:
    def __init__(self, folder, part, length, seed, fresh=0.2):
        self.speech, self.noise, self.music = (Clips(Path(folder) / f"{kind}_{part}.npz") for kind in ("speech", "noise", "music"))
        self.scenes = sorted(Path(folder).glob(f"scenes_{part}/[0-9]*[0-9].npy"))
        self.samples = length * FRAME
        self.rng = np.random.default_rng(seed)
        # What was made before, and the share that is made anew.
        self.pools, self.fresh = {}, fresh

    def talk(self):
        """Clips of one voice with pauses between."""
        rng, out, at = self.rng, np.zeros(self.samples, np.float32), 0
        # Half of the time each voice is as likely as another, half of the time each clip.
        voices = len(self.speech.of_voice)
        voice = int(rng.integers(voices)) if rng.random() < 0.5 else int(rng.choice(self.speech.voice))
        own = self.speech.of_voice[voice]
        speed = rng.uniform(0.82, 1.2) if rng.random() < 0.5 else 1.0
        if rng.random() < 0.5:
            at = int(rng.uniform(0, RATE))
        while at < self.samples:
            clip = self.speech.clip(own[int(rng.integers(len(own)))])
            if at == 0 and len(clip) > RATE:
                clip = clip[int(rng.uniform(0, len(clip) - RATE // 2)):]
            if speed != 1.0:
                clip = np.interp(np.arange(0, len(clip) - 1, speed), np.arange(len(clip)), clip).astype(np.float32)
            clip = clip * 10 ** (rng.normal(0, 2) / 20)
            part = clip[: self.samples - at]
            out[at:at + len(part)] += part
            at += len(clip) + int(RATE * rng.choice([rng.uniform(0.02, 0.3), rng.uniform(0.3, 1.5)]))
        return out

    def babble(self):
        """Several voices at once, in a room."""
        rng, out = self.rng, np.zeros(self.samples, np.float32)
        for _ in range(int(rng.integers(3, 9))):
            out += self.talk() * 10 ** (rng.uniform(-10, 0) / 20)
        return signal.fftconvolve(out, room(rng))[: self.samples].astype(np.float32)

    def hiss(self, source):
        """Noise: clips one after the other, at any speed and in either direction."""
        rng, out, at = self.rng, np.zeros(self.samples, np.float32), 0
        clip = source.any(rng)
        speed = rng.uniform(0.6, 1.6) if rng.random() < 0.6 else 1.0
        backwards = rng.random() < 0.3
        alone = len(clip) < RATE
        while at < self.samples:
            if alone and rng.random() < 0.5:
                clip = source.any(rng)
            piece = clip[::-1] if backwards else clip
            if speed != 1.0:
                piece = piece[: int(self.samples * 4 * speed)]
                piece = np.interp(np.arange(0, len(piece) - 1, speed), np.arange(len(piece)), piece).astype(np.float32)
            if len(piece) > self.samples and at == 0:
                begin = int(rng.integers(len(piece) - self.samples + 1))
                piece = piece[begin:begin + self.samples]
            elif at == 0 and not alone:
                piece = piece[int(rng.integers(len(piece) // 2)):]
            piece = piece[: self.samples - at]
            out[at:at + len(piece)] += piece
            at += max(len(piece), 1) + (int(RATE * rng.uniform(0, 1.0)) if alone else 0)
        return out

    def scene(self):
        """A stretch of a scene of make_scenes.py: near end, noise, residual echo, echo estimate, far end."""
        rng = self.rng
        stems = np.load(self.scenes[int(rng.integers(len(self.scenes)))], mmap_mode="r")
        room = (stems.shape[1] - self.samples) // FRAME
        # Half of the stretches begin with the canceller at rest.
        begin = FRAME * int(rng.choice([0, rng.integers(room + 1)])) if room > 0 else 0
        return stems[:, begin:begin + self.samples].astype(np.float32)

    def voice(self):
        """A voice, and its mean power while it speaks."""
        rng = self.rng
        near = self.talk()
        if rng.random() < 0.5:
            near = signal.fftconvolve(near, room(rng))[: self.samples].astype(np.float32)
        active = np.mean(near ** 2) / max(np.mean(np.abs(near) > 1e-3), 0.05)
        return near, np.float32(max(active, 2e-4))

    def noises(self):
        """Noise of unit power."""
        rng = self.rng
        kind = rng.random()
        noise = self.babble() if kind < 0.12 else self.hiss(self.noise if kind < 0.93 else self.music)
        if rng.random() < 0.25:
            second = self.hiss(self.noise)
            noise = noise / (np.std(noise) + 1e-6) + second / (np.std(second) + 1e-6) * 10 ** (rng.uniform(-12, 6) / 20)
        if rng.random() < 0.3:
            noise = signal.fftconvolve(noise, room(rng))[: self.samples].astype(np.float32)
        return (noise / (np.std(noise) + 1e-9)).astype(np.float32)

    def kept(self, name, make, size):
        """Mostly one of those made before: to make one costs as much as all that comes after it."""
        pool = self.pools.setdefault(name, [])
        if len(pool) < size or self.rng.random() < self.fresh:
            new = make()
            if len(pool) < size:
                pool.append(new)
            else:
                pool[int(self.rng.integers(size))] = new
            return new
        return pool[int(self.rng.integers(size))]

    def batch(self, size, echo_share=0.0):
        """Near end, noise, residual echo, echo estimate, far end; each size × samples."""
        rng = self.rng
        near, noise, rest, echo, far = out = np.zeros((5, size, self.samples), np.float32)
        for k in range(size):
            heard = self.scenes and rng.random() < echo_share
            if heard:
                near[k], noise[k], rest[k], echo[k], far[k] = self.kept("scenes", self.scene, 300)
                level = np.std(near[k] + rest[k])
                near[k] *= np.float32(10 ** (rng.uniform(-6, 6) / 20))
                if rng.random() < 0.25:
                    more = np.roll(self.kept("noises", self.noises, 500), int(rng.integers(self.samples)))
                    noise[k] += more * np.float32(level * 10 ** (-rng.uniform(5, 30) / 20))
            else:
                active = np.float32(2e-4)
                if rng.random() < 0.95:
                    near[k], active = self.kept("voices", self.voice, 500)
                # Clean speech must pass untouched, which is learnt from clean speech.
                if rng.random() < 0.9:
                    snr = rng.choice([rng.uniform(-5, 12), rng.uniform(5, 30)])
                    more = self.kept("noises", self.noises, 500)
                    if rng.random() < 0.5:
                        more = np.roll(more, int(rng.integers(self.samples)))
                    noise[k] = more * np.float32(np.sqrt(active) * 10 ** (-snr / 20))
                if rng.random() < 0.1:
                    far[k] = self.kept("fars", self.talk, 100) * np.float32(10 ** (rng.uniform(-20, 10) / 20))
            common = np.full(BINS, 10 ** (rng.uniform(-32, 6) / 20))
            hertz = np.arange(BINS) * RATE / 2 / (BINS - 1)
            if rng.random() < 0.3:
                # The high-pass of the chain.
                common /= 1 + (80 / (hertz + 1)) ** 4
            if rng.random() < 0.12:
                common[hertz > rng.choice([3_500, 4_000, 4_000, 6_000, 7_000])] *= 1e-4
            near[k] = filtered(near[k], tilt(rng, 5) * common)
            noise[k] = filtered(noise[k], tilt(rng, 8) * common)
            if heard:
                common *= tilt(rng, 2)
                rest[k], echo[k] = filtered(rest[k], common), filtered(echo[k], common)
            if far[k].any():
                far[k] = filtered(far[k], tilt(rng, 3) * 10 ** (rng.uniform(-15, 6) / 20))
            # What the converters add: 16 bit.
            if rng.random() < 0.7:
                noise[k] += rng.standard_normal(self.samples, np.float32) * np.float32(1e-5)
        return out


def serve(out, folder, part, length, size, seed, share):
    # Now and then the archives are read anew, so that a run can begin before all scenes are made.
    for turn in itertools.count():
        mixer = Mixer(folder, part, length, (seed, turn))
        for _ in range(500):
            with share.get_lock():
                now = share.value
            out.put(mixer.batch(size, now))


class Batches:
    """Batches made beside the training."""

    def __init__(self, folder, part, length, size, seed, echo_share):
        self.share = multiprocessing.Value("d", echo_share)
        self.queue = multiprocessing.Queue(3)
        self.worker = multiprocessing.Process(target=serve, args=(self.queue, folder, part, length, size, seed, self.share), daemon=True)
        self.worker.start()

    def next(self, wait):
        """The next batch; `None` when it is not ready and not waited for."""
        try:
            return self.queue.get(block=wait)
        except queue.Empty:
            return None
