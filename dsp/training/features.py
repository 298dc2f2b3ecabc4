"""What the network sees and what its gains mean: the same arithmetic as dsp/src/neural/features.rs, for whole batches.

A test of the engine holds it to numbers that export.py wrote.
"""
import numpy as np
import scipy.fft

RATE = 16_000
FRAME, OVERLAP, TRANSFORM, BINS = 160, 144, 320, 161
SINGLE = 32  # bands of one bin, 50 to 1600 Hz
BANDS = 64
LEVEL_BANDS = 46  # below 4 kHz: what every rate has
SCALE = 0.25
CLIP = 4.0
FLOOR = 1e-7
LEVEL_FLOOR = -11.0
FAR_LEVEL_FLOOR = -9.0
HIDDEN_FLOOR = 1e-5
ATTACK, RELEASE = 0.1, 0.005
GROUPS = 5
INPUTS = GROUPS * BANDS


def centres():
    """Bins at which the bands are centred: 1 to 32, then each 4.4 % further than the one before."""
    wide = [SINGLE + (BINS - 1 - SINGLE) * ((1.044 ** k - 1) / (1.044 ** (BANDS - SINGLE) - 1)) for k in range(1, BANDS - SINGLE + 1)]
    return np.array(list(range(1, SINGLE + 1)) + [int(round(c)) for c in wide])


def interpolation():
    """Bins × bands: the gain of a bin is between those of the two bands beside it."""
    where, out = centres(), np.zeros((BINS, BANDS), np.float32)
    for k in range(BINS):
        if k <= where[0]:
            out[k, 0] = 1
        elif k >= where[-1]:
            out[k, -1] = 1
        else:
            b = np.searchsorted(where, k, "right") - 1
            part = (k - where[b]) / (where[b + 1] - where[b])
            out[k, b] += 1 - part
            if part > 0:
                out[k, b + 1] += part
    return out


INTERPOLATION = interpolation()
# Mean power in a band: the same triangles, each of sum one.
SUMMATION = (INTERPOLATION / INTERPOLATION.sum(0)).astype(np.float32)


def window():
    slope = np.sin(np.pi / 2 * (np.arange(OVERLAP) + 0.5) / OVERLAP)
    return np.concatenate([slope, np.ones(FRAME - OVERLAP), slope[::-1]]).astype(np.float32)


WINDOW = window()


def spectra(audio):
    """Signals × samples to signals × frames × bins: window t ends with frame t, silence before the first."""
    count = audio.shape[1] // FRAME
    if not audio.any():
        return np.zeros((audio.shape[0], count, BINS), np.complex64)
    padded = np.concatenate([np.zeros((audio.shape[0], OVERLAP), np.float32), audio.astype(np.float32)], 1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, FRAME + OVERLAP, axis=1)[:, ::FRAME][:, :count]
    return scipy.fft.rfft(windows * WINDOW, TRANSFORM)


def far_spectra(audio):
    """The same of the far end, as the echo canceller has it: a frame and the one before, unweighted."""
    count = audio.shape[1] // FRAME
    if not audio.any():
        return np.zeros((audio.shape[0], count, BINS), np.complex64)
    padded = np.concatenate([np.zeros((audio.shape[0], FRAME), np.float32), audio.astype(np.float32)], 1)
    return scipy.fft.rfft(np.lib.stride_tricks.sliding_window_view(padded, TRANSFORM, axis=1)[:, ::FRAME][:, :count])


def power(spectrum):
    """Mean power of each band; frames in a row."""
    return ((spectrum.real ** 2 + spectrum.imag ** 2).reshape(-1, BINS) @ SUMMATION).reshape(*spectrum.shape[:-1], BANDS)


def level(logarithms, floor):
    """Follows the mean logarithm of the bands below 4 kHz, up in 0.1 s and down in 2 s; signals × frames."""
    now = logarithms[:, :, :LEVEL_BANDS].mean(2)
    out, state = np.empty_like(now), np.full(now.shape[0], floor, np.float32)
    for t in range(now.shape[1]):
        new = np.maximum(now[:, t], floor)
        rate = np.where(new > state, max(ATTACK, 1 / (t + 1)), max(RELEASE, 1 / (t + 1)))
        state = state + rate * (new - state)
        out[:, t] = state
    return out


# The noise tracker of dsp/src/noise/tracker.rs.
FAINT = np.float32(FLOOR)
SPEECH = np.float32(31.6228)
MEMORY, STUCK_MEMORY, STUCK, SMOOTH = (np.float32(x) for x in (0.85, 0.9, 0.99, 0.7))
PARTS, PART, ABOVE_LEAST, START = 4, 40, np.float32(25), 8
# The a-priori ratio: weight of the last frame, and its least; least and most of both ratios.
DIRECTED, PRIOR_LEAST, RATIO_LEAST, RATIO_MOST = (np.float32(x) for x in (0.9, 0.01, 1e-3, 1e4))


def ratios(power):
    """Logarithms of the ratio of each band's power to the noise in it, and of the decision-directed a-priori ratio of speech."""
    signals, frames, bands = power.shape
    post, prior = np.empty_like(power), np.empty_like(power)
    shape = (signals, bands)
    noise, speech, smooth, before = (np.zeros(shape, np.float32) for _ in range(4))
    lowest, least = np.full(shape, np.inf, np.float32), np.full(shape, np.inf, np.float32)
    parts, part, inside = [np.full(shape, np.inf, np.float32) for _ in range(PARTS)], 0, 0
    slope = SPEECH / (1 + SPEECH)
    for t in range(frames):
        p = power[:, t]
        if t < START:
            noise += np.float32(1 / (t + 1)) * (p - noise)
            smooth = noise.copy()
        else:
            smooth += (1 - SMOOTH) * (p - smooth)
            np.minimum(lowest, smooth, out=lowest)
            inside += 1
            if inside == PART:
                inside = 0
                parts[part] = lowest
                part = (part + 1) % PARTS
                lowest = np.full(shape, np.inf, np.float32)
                least = np.minimum.reduce(parts)
            ratio = np.minimum(p / (noise + FAINT), 100)
            likely = 1 / (1 + (1 + SPEECH) * np.exp(-slope * ratio))
            speech += (1 - STUCK_MEMORY) * (likely - speech)
            likely = np.where(speech > STUCK, np.minimum(likely, STUCK), likely)
            noise = np.maximum(noise + (1 - MEMORY) * (1 - likely) * (p - noise), FAINT)
            noise = np.maximum(np.minimum(noise, ABOVE_LEAST * np.minimum(lowest, least)), FAINT)
        ratio = np.clip(p / (noise + FAINT), RATIO_LEAST, RATIO_MOST)
        xi = np.clip(DIRECTED * before / (noise + FAINT) + (1 - DIRECTED) * np.maximum(ratio - 1, 0), PRIOR_LEAST, RATIO_MOST)
        gain = xi / (1 + xi)
        before = gain * gain * p
        post[:, t], prior[:, t] = ratio, xi
    return np.log(post), np.log(prior)


def features(error, echo, far):
    """Signals × frames × INPUTS from three spectra; `echo` and `far` may be None: silence."""
    own = power(error)
    logs = np.log(own + FLOOR)
    m = level(logs, LEVEL_FLOOR)[:, :, None]
    out = [(logs - m) * SCALE]
    silent = np.zeros_like(logs)
    hidden = np.log((power(echo) if echo is not None else silent) + HIDDEN_FLOOR * np.exp(m))
    out.append((hidden - m) * SCALE)
    far = np.log((power(far) if far is not None else silent) + FLOOR)
    out.append((far - level(far, FAR_LEVEL_FLOOR)[:, :, None]) * SCALE)
    post, prior = ratios(own)
    out.append(post * SCALE)
    out.append(prior * SCALE)
    return np.clip(np.concatenate(out, 2), -CLIP, CLIP).astype(np.float32)


# Exponent by which amplitudes are compressed before they are compared.
COMPRESSION = 0.5


def targets(near, both, everything):
    """What the loss compares, batch × frames × (3 × BANDS + 1).

    Of each band the compressed amplitudes of everything, of the near end's speech, and of speech and noise; then whether
    there is speech.
    """
    powers = [power(x) for x in (everything, near, both)]
    # Sequences count alike whatever their level.
    scale = np.mean(powers[1], (1, 2)) + 0.15 * np.mean(powers[0], (1, 2)) + 1e-7
    scaled = [p / scale[:, None, None] + 1e-8 for p in powers]
    compressed = [np.exp(0.5 * COMPRESSION * np.log(p)) for p in scaled]
    speech = (scaled[1].mean(2) > 0.01)[:, :, None]
    return np.concatenate([*compressed, speech], 2).astype(np.float32)
