"""Boxes of detectors: matched with truths, suppressed, measured and tuned. Arrays in, arrays out.

Right, wrong, or neither: a detection that fell to a crowd or an ignored truth, or comes after ``max_detections`` of its
image and class, is neither, and is left out everywhere. So is an image whose truth has not come. An image that was looked
at and is empty counts: what was found in it is wrong.

One pass (``suppression``): what is kept and matched hangs on higher scores of the same image and class alone, so two bit
masks a detection hold the counts at every score threshold, at up to 8 NMS IoUs, under every calibrator that is monotone
within a class.

A promise (``promises``) is made of score threshold and NMS IoU together: the NMS IoU and where the walk begins are chosen on
the earlier images; on the later ones there is one fixed sequence of thresholds, with images as clusters, and it ends at the
first failure. Classes without a promise of their own are taken together (``tuning``): that one holds of them together, and
each may be worse. Policies without a promise (``optima``) are accepted where they are better with confidence.

Measured (``python -m tests.benchmarks.vision``): persons of COCO val2017, precision ≥ .95 with 95 %, 20 splits of 1,500 +
1,500 images: recall as logged → with the NMS IoU .368 → .407 (faster-rcnn) and .275 → .275 (ssd); precision on 2,000 other
images below .95 in 2 → 1 and 4 → 3 of 20.
"""
