"""A detector's images, detections and truth: taken as they come, and matched into samples image by image."""
