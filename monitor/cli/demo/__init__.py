"""The bundled demo: a digit reader on a parcel line. Real handwriting, a really trained model, an assigned calendar."""

from datetime import UTC, datetime

STREAM_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
STREAM_ENDED = datetime(2026, 3, 2, tzinfo=UTC)  # exclusive; labels go on arriving for some days
HAZE_BEGAN = datetime(2026, 2, 1, tzinfo=UTC)  # camera c3 at night
SECOND_SITE_BEGAN = datetime(2026, 2, 10, tzinfo=UTC)  # its share of all parcels grows from 0 …
SECOND_SITE_FULL = datetime(2026, 2, 20, tzinfo=UTC)  # … to nine in ten from here on

DISCLOSURES = (
    "Real: the handwriting (10,000 MNIST test digits), its labels, and who wrote it at which of two sites (QMNIST).",
    "Real: the model, a small neural network trained on 14 of the 48 writers of the first site, its initial "
    "temperature fitted on digits that are neither in its training nor in the stream; every logit and score is "
    "its answer, unedited.",
    "Assigned: dates, hours, cameras and lightings. Cameras and lightings are image transformations (gain, blur, "
    "noise) before the model; each digit of the first site passes about 22 times, each time with fresh noise.",
    "Planted drift 1: from 2026-02-01 the lens of camera c3 hazes over at night, an image transformation (blur, "
    "contrast lost towards grey) before the model, its kind and strength chosen so that the drift is plain to see.",
    "Planted drift 2: from 2026-02-10 a growing share of the parcels, nine in ten from 2026-02-20, comes from the second "
    "site, by writers the model never saw; their digits are unchanged.",
    "Simulated: label delays (log-normal, median 6 hours, at most 5 days, independent of the outcome) and the "
    "15 % of predictions that never get a label.",
    "Planted: wrong labels that a later row corrects (0.5 % of labelled predictions), exact duplicates (1 %) and "
    "25 bad rows (score NaN, -0.1 or 1.2, no sample_id, observed_at in the far future).",
)
