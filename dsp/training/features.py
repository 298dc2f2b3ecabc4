"""What the network sees, and what its gains mean: the same arithmetic as dsp/src/neural/features.rs, for whole batches.

A test of the engine holds it to numbers that export.py wrote.
"""
import jax
import jax.numpy as jnp
import numpy as np

RATE = 16_000
FRAME, OVERLAP, TRANSFORM, BINS = 160, 144, 320, 161
LONG, SINGLE, BANDS = 512, 65, 129
# To this level everything is brought, the natural logarithm of the mean power of a bin; and what is no less than noise.
LEVEL, LEVEL_FLOOR, FAR_LEVEL_FLOOR, FLOOR = -2.5, -11.0, -5.0, 1e-7
ATTACK, RELEASE = 0.1, 0.005


def centres():
    """Where the bands are: each bin of 31.25 Hz up to 2 kHz, then 64 by hearing up to 8 kHz; in such bins."""
    scale = lambda hz: 21.4 * np.log10(0.00437 * hz + 1)
    points = np.linspace(scale(SINGLE * 31.25), scale(8_000), BANDS - SINGLE)
    return np.concatenate([np.arange(SINGLE), np.round((10 ** (points / 21.4) - 1) / 0.00437 / 31.25)])


def between(places, of):
    """Places × of: weights of the two of `of` beside each place."""
    out = np.zeros((len(places), len(of)), np.float32)
    below = np.clip(np.searchsorted(of, places, "right") - 1, 0, len(of) - 2)
    share = np.clip((places - of[below]) / (of[below + 1] - of[below]), 0, 1)
    out[np.arange(len(places)), below] = 1 - share
    out[np.arange(len(places)), below + 1] = share
    return out


def bands_of_loss():
    """Bins × 64: single bins of 50 Hz up to 1.6 kHz, then triangles that widen by 4.4 % each."""
    growth = lambda k: 1.044 ** k - 1
    places = [*range(1, 33), *(round(32 + 128 * growth(k) / growth(32)) for k in range(1, 33))]
    return between(np.arange(BINS), np.array(places))


BANDS_OF_BINS = between(np.arange(LONG // 2 + 1), centres())
GAINS_OF_BANDS = between(np.arange(BINS) * 50.0, centres() * 31.25)
BANDS_OF_ECHO = between(centres() * 31.25, np.arange(BINS) * 50.0)


def slope(count):
    return np.sin(np.pi / 2 * (np.arange(count) + 0.5) / count)


WINDOW = np.concatenate([slope(OVERLAP), np.ones(FRAME - OVERLAP), slope(OVERLAP)[::-1]]).astype(np.float32)
LONG_WINDOW = np.concatenate([slope(LONG - FRAME), slope(FRAME)[::-1]]).astype(np.float32)
LONG_WINDOW *= np.sqrt(LONG / 2 / np.sum(LONG_WINDOW ** 2))


def windows(audio, length, before):
    """Signals × frames × length: window t ends with frame t; silence before the first."""
    at = np.arange(audio.shape[-1] // FRAME)[:, None] * FRAME + np.arange(length)
    return jnp.pad(audio, ((0, 0), (before, 0)))[:, at]


def spectra(audio):
    """As the engine takes signals apart and puts them together."""
    return jnp.fft.rfft(windows(audio, FRAME + OVERLAP, OVERLAP) * WINDOW, TRANSFORM)


def far_spectra(audio):
    """The same of the far end, as the echo canceller has it: a frame and the one before, unweighted."""
    return jnp.fft.rfft(windows(audio, TRANSFORM, FRAME), TRANSFORM)


def long_spectra(audio):
    """As the network sees signals."""
    return jnp.fft.rfft(windows(audio, LONG, LONG - FRAME) * LONG_WINDOW)


def level(power):
    """Follows the mean logarithm over bins, up in 0.1 s and down in 2 s; signals × frames."""
    now = jnp.maximum(jnp.mean(jnp.log(power + FLOOR), -1), LEVEL_FLOOR)

    def step(state, now):
        value, count = state
        rate = jnp.maximum(jnp.where(now > value, ATTACK, RELEASE), 1 / (count + 1))
        value = value + rate * (now - value)
        return (value, count + 1), value

    return jax.lax.scan(step, (jnp.full(now.shape[0], LEVEL_FLOOR), 0.0), now.T)[1].T


def gain(level):
    return jnp.exp(-0.5 * (level - LEVEL))[..., None]


def seen(error, echo, far):
    """Signals × frames × BANDS × 5: amplitude, real and imaginary part of what is left; amplitudes of echo and far end."""
    left = long_spectra(error)
    scale = gain(level(jnp.abs(left[..., 1:129]) ** 2))
    left = left * scale
    parts = jnp.stack([jnp.sqrt(left.real ** 2 + left.imag ** 2 + 1e-12), left.real, left.imag], -1)
    wide = jnp.einsum("btfc,fg->btgc", parts[:, :, SINGLE:], BANDS_OF_BINS[SINGLE:, SINGLE:])
    far = jnp.abs(far_spectra(far))
    far_scale = gain(jnp.maximum(level(far[..., 1:81] ** 2), FAR_LEVEL_FLOOR))
    others = [jnp.abs(spectra(echo)) @ BANDS_OF_ECHO.T * scale, far @ BANDS_OF_ECHO.T * far_scale]
    return jnp.concatenate([jnp.concatenate([parts[:, :, :SINGLE], wide], 2), jnp.stack(others, -1)], -1)
