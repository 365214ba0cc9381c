-- Thresholds that a job of its own tunes, of detectors together with an NMS IoU; curves over both.

ALTER TABLE thresholds ADD COLUMN tuned BOOLEAN DEFAULT false;      -- by a job of its own: the artefact holds it
ALTER TABLE thresholds ADD COLUMN nms_iou DOUBLE;                   -- that goes with it; NULL = production's alone
ALTER TABLE thresholds ADD COLUMN fp_per_image DOUBLE;              -- of all labelled images; NULL = unknown
ALTER TABLE threshold_curves ADD COLUMN nms_iou DOUBLE;             -- NULL = production's alone
ALTER TABLE threshold_curves ADD COLUMN fp_per_image DOUBLE;
