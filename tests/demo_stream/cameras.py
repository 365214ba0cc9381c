"""Cameras, lightings and the haze as image transformations, and the reader's exposure correction before the model."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from tests.demo_stream.network import Floats


@dataclass(frozen=True, slots=True)
class Optics:
    """What a camera or a lighting does to an image of ink 1.0 on paper 0.0."""

    gain: float  # factor on brightness
    blur: float  # standard deviation in pixels
    noise: float  # standard deviation per pixel, in brightness


CAMERAS = {
    "c1": Optics(gain=1.0, blur=0.0, noise=0.02),
    "c2": Optics(gain=0.9, blur=0.0, noise=0.04),
    "c3": Optics(gain=1.0, blur=0.4, noise=0.02),
    "c4": Optics(gain=0.95, blur=0.3, noise=0.03),
}
LIGHTINGS = {
    "day": Optics(gain=1.0, blur=0.0, noise=0.0),
    "dusk": Optics(gain=0.85, blur=0.0, noise=0.03),
    "night": Optics(gain=0.75, blur=0.0, noise=0.06),
}

HAZE_BLUR = 1.6  # pixels
HAZE_VEIL = 0.35  # share of the light that is the grey of the haze instead of the scene
HAZE_GREY = 0.5

BLACK_POINT, WHITE_POINT = (
    0.5,
    0.95,
)  # quantiles of an image's pixels: more than half is paper, 5 % ink


def photograph(images: Floats, camera: str, lighting: str, rng: np.random.Generator, *, hazed: bool = False) -> Floats:
    """What ``camera`` sees of ``images`` [n, 28, 28] (brightness in [0, 1]): the same shape and range."""
    lens, light = CAMERAS[camera], LIGHTINGS[lighting]
    blur = float(np.hypot(lens.blur, HAZE_BLUR if hazed else 0.0))  # blurs in a row add in variance
    seen = gaussian_filter(images, (0.0, blur, blur)) if blur else images
    seen = seen * lens.gain * light.gain
    if hazed:
        seen = (1.0 - HAZE_VEIL) * seen + HAZE_VEIL * HAZE_GREY
    noise = float(np.hypot(lens.noise, light.noise))
    return np.clip(seen + rng.normal(0.0, noise, seen.shape), 0.0, 1.0)


def expose(photographs: Floats) -> Floats:
    """Model inputs [n, 784] of ``photographs`` [n, 28, 28]: paper moved to 0 and ink to 1, per image.

    This makes the reader indifferent to gain, and is why a dim camera stays calibrated.
    """
    pixels = photographs.reshape(len(photographs), photographs.shape[1] * photographs.shape[2])
    ranks = [round(quantile * (pixels.shape[1] - 1)) for quantile in (BLACK_POINT, WHITE_POINT)]
    black, white = np.partition(pixels, ranks, axis=1)[:, ranks].T[:, :, np.newaxis]
    inputs: Floats = (pixels - black) / np.maximum(white - black, 1e-3)
    return inputs
