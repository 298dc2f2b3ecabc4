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
RISE, FALL = 0.004, 0.1
INPUTS = 4 * BANDS


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


def floors(logarithms):
    """Follows the noise of each band, up in 2.5 s and down in 0.1 s; as many."""
    out, state = np.empty_like(logarithms), np.zeros((logarithms.shape[0], logarithms.shape[2]), np.float32)
    for t in range(logarithms.shape[1]):
        rise, fall = np.float32(max(RISE, 1 / (t + 1))), np.float32(max(FALL, 1 / (t + 1)))
        change = logarithms[:, t] - state
        state = state + np.where(change > 0, rise, fall) * change
        out[:, t] = state
    return out


def features(error, echo, far):
    """Signals × frames × INPUTS from three spectra; `echo` and `far` may be None: silence."""
    logs = np.log(power(error) + FLOOR)
    m = level(logs, LEVEL_FLOOR)[:, :, None]
    out = [(logs - m) * SCALE]
    silent = np.zeros_like(logs)
    hidden = np.log((power(echo) if echo is not None else silent) + HIDDEN_FLOOR * np.exp(m))
    out.append((hidden - m) * SCALE)
    far = np.log((power(far) if far is not None else silent) + FLOOR)
    out.append((far - level(far, FAR_LEVEL_FLOOR)[:, :, None]) * SCALE)
    out.append((logs - floors(logs)) * SCALE)
    return np.clip(np.concatenate(out, 2), -CLIP, CLIP).astype(np.float32)


# Exponent by which amplitudes are compressed before they are compared.
COMPRESSION = 0.35


def targets(near, both, everything):
    """What the loss compares, batch × frames × (5 × BANDS + 1).

    Of each band the compressed amplitudes of everything, of the near end's speech, and of speech and noise, and how much
    either of these is in phase with everything; then whether there is speech.
    """
    def bands(x):
        return (x.reshape(-1, BINS) @ SUMMATION).reshape(*x.shape[:-1], BANDS)

    powers = [power(x) for x in (everything, near, both)]
    # Sequences count alike whatever their level.
    scale = np.mean(powers[1], (1, 2)) + 0.15 * np.mean(powers[0], (1, 2)) + 1e-7
    scaled = [p / scale[:, None, None] + 1e-8 for p in powers]
    compressed = [np.exp(0.5 * COMPRESSION * np.log(p)) for p in scaled]
    phases = [bands(x.real * everything.real + x.imag * everything.imag) / np.sqrt(p * powers[0] + 1e-14)
              for x, p in ((near, powers[1]), (both, powers[2]))]
    speech = (scaled[1].mean(2) > 0.01)[:, :, None]
    return np.concatenate([*compressed, *phases, speech], 2).astype(np.float32)
