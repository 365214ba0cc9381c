"""Which parcel passes when, under which camera and lighting, and from which site: the assigned part of the stream."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from monitor.cli.demo import HAZE_BEGAN, SECOND_SITE_BEGAN, SECOND_SITE_FULL, STREAM_BEGAN, STREAM_ENDED
from tests.demo_stream.network import Floats, Integers

Times = NDArray[np.datetime64]  # seconds, UTC
Texts = NDArray[np.object_]
Flags = NDArray[np.bool_]

SECOND_SITE_SHARE = 0.9  # of all parcels, reached at SECOND_SITE_FULL
CAMERA_SHARES = {"c1": 0.25, "c2": 0.20, "c3": 0.34, "c4": 0.21}
LIGHTING_OF_HOUR = ("night",) * 7 + ("dusk",) + ("day",) * 8 + ("dusk",) * 3 + ("night",) * 5
HOUR_WEIGHTS = (  # parcels are sorted in the evening and at night
    *(1.3, 1.2, 1.1, 1.0, 0.9, 0.8, 0.7, 0.7, 0.8, 0.9, 0.9, 0.9),
    *(0.8, 0.9, 0.9, 0.9, 1.0, 1.1, 1.1, 1.1, 1.2, 1.3, 1.4, 1.4),
)
WEEKDAY_WEIGHTS = (1.15, 1.15, 1.1, 1.1, 1.1, 0.8, 0.6)  # Monday first


@dataclass(frozen=True, slots=True)
class Traffic:
    """One entry per prediction, in time order; all arrays are [n]."""

    observed_at: Times
    camera: Texts
    lighting: Texts
    image: Integers  # index into the images
    hazed: Flags


def second(moment: datetime) -> np.datetime64:
    """``moment`` as numpy's zoneless UTC second."""
    return np.datetime64(moment.replace(tzinfo=None), "s")


def second_site_share(observed_at: Times) -> Floats:
    """Share of parcels from the second site: 0 until SECOND_SITE_BEGAN, in a line up to SECOND_SITE_FULL, then level."""
    since = (observed_at - second(SECOND_SITE_BEGAN)).astype(np.float64)
    whole = (SECOND_SITE_FULL - SECOND_SITE_BEGAN).total_seconds()
    return np.clip(since / whole, 0.0, 1.0) * SECOND_SITE_SHARE


def passing(count: int, first_site: Integers, second_site: Integers, rng: np.random.Generator) -> Traffic:
    """``count`` predictions over the stream, their images drawn with replacement from the two sites' image indices."""
    hours = np.arange(second(STREAM_BEGAN), second(STREAM_ENDED), np.timedelta64(1, "h"))
    hour_of_day = (hours - hours.astype("datetime64[D]")).astype("timedelta64[h]").astype(np.int64)
    weekday = (hours.astype("datetime64[D]").astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    weights = np.asarray(HOUR_WEIGHTS)[hour_of_day] * np.asarray(WEEKDAY_WEIGHTS)[weekday]
    in_hour = rng.multinomial(count, weights / weights.sum())
    which = np.repeat(np.arange(len(hours)), in_hour)
    observed_at = np.sort(hours[which] + rng.integers(0, 3600, count).astype("timedelta64[s]"))

    camera = rng.choice(np.array(list(CAMERA_SHARES), dtype=object), count, p=list(CAMERA_SHARES.values()))
    lighting = np.array(LIGHTING_OF_HOUR, dtype=object)[hour_of_day[which]]
    from_second = rng.random(count) < second_site_share(observed_at)
    image = np.where(from_second, rng.choice(second_site, count), rng.choice(first_site, count))
    hazed = (camera == "c3") & (lighting == "night") & (observed_at >= second(HAZE_BEGAN))
    return Traffic(observed_at, camera, lighting, image, hazed)
