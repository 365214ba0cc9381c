-- What readings need of labelled images: the objects there were, found or not, and how well boxes lie on them.

CREATE TABLE labelled_images (          -- as they were matched last; in time order no image of another lies between
    model_id    USMALLINT NOT NULL,
    image_id    VARCHAR   NOT NULL,
    observed_at TIMESTAMP NOT NULL,
    stream_id   INTEGER,                -- of most of its detections, else of the version that it says; NULL: nobody says one
    predicted   BOOLEAN   NOT NULL,     -- has detections that are right or wrong
    slice_id    INTEGER   NOT NULL,     -- __missing__ for what is said of boxes alone
    apart       VARCHAR[]               -- slice dimensions in which its detections differ
);

CREATE TABLE objects (                  -- the truths of labelled images that are to be found: no crowds
    model_id    USMALLINT NOT NULL,
    image_id    VARCHAR   NOT NULL,
    number      INTEGER   NOT NULL,     -- as in truths
    observed_at TIMESTAMP NOT NULL,
    stream_id   INTEGER,                -- of the detection that found it, else as of its image
    predicted   BOOLEAN   NOT NULL,     -- as of its image: where it is false, no calibrator has a say
    class       VARCHAR   NOT NULL,
    slice_id    INTEGER   NOT NULL,     -- by its own class and size
    score       DOUBLE                  -- of the detection that found it, as deployed; NULL = none did
);

CREATE TABLE placements (               -- the detections of labelled images, and how they lie on objects
    model_id    USMALLINT NOT NULL,
    image_id    VARCHAR   NOT NULL,
    observed_at TIMESTAMP NOT NULL,
    detection   VARCHAR   NOT NULL,     -- as in detections
    stream_id   INTEGER   NOT NULL,
    class       VARCHAR   NOT NULL,
    slice_id    INTEGER,                -- NULL where it is no sample
    score       DOUBLE    NOT NULL,     -- as deployed
    raw_score   DOUBLE    NOT NULL,     -- which says who chooses first
    found       BOOLEAN,                -- an object, by the IoU of [model.matching]; NULL, as of both: neither right nor wrong
    found_half  BOOLEAN,                -- an object, by an IoU of one half
    overlap     DOUBLE                  -- with the object it has where any overlap is enough; 0 = none
);

CREATE TABLE missed_objects (           -- the newest objects that nothing found with a score that the threshold asks for
    model       VARCHAR   NOT NULL,
    version     VARCHAR   NOT NULL,
    image_id    VARCHAR   NOT NULL,
    observed_at TIMESTAMP NOT NULL,
    class       VARCHAR   NOT NULL,
    x1          DOUBLE    NOT NULL,     -- pixels, or shares of the image where it came so
    y1          DOUBLE    NOT NULL,
    x2          DOUBLE    NOT NULL,
    y2          DOUBLE    NOT NULL,
    normalised  BOOLEAN   NOT NULL,
    score       DOUBLE,                 -- of what found it, below the threshold; NULL: nothing did
    threshold   DOUBLE,
    labels      MAP(VARCHAR, VARCHAR) NOT NULL
);

CREATE TABLE invented_objects (         -- the newest detections with such a score that are of no object
    model       VARCHAR   NOT NULL,
    version     VARCHAR   NOT NULL,
    image_id    VARCHAR   NOT NULL,
    observed_at TIMESTAMP NOT NULL,
    class       VARCHAR   NOT NULL,
    x1          DOUBLE    NOT NULL,
    y1          DOUBLE    NOT NULL,
    x2          DOUBLE    NOT NULL,
    y2          DOUBLE    NOT NULL,
    normalised  BOOLEAN   NOT NULL,
    score       DOUBLE    NOT NULL,
    threshold   DOUBLE,                 -- NULL: none is in use, so every wrong detection is here
    labels      MAP(VARCHAR, VARCHAR) NOT NULL
);

ALTER TABLE readings ADD COLUMN iou DOUBLE;
ALTER TABLE readings ADD COLUMN threshold_f1 DOUBLE;
ALTER TABLE readings ADD COLUMN truths DOUBLE;
ALTER TABLE readings ADD COLUMN labelled_images DOUBLE;
ALTER TABLE readings ADD COLUMN recall_ceiling DOUBLE;
ALTER TABLE readings ADD COLUMN fp_per_image DOUBLE;
ALTER TABLE readings ADD COLUMN ece_above_threshold DOUBLE;
ALTER TABLE readings ADD COLUMN laece DOUBLE;
ALTER TABLE readings ADD COLUMN average_precision DOUBLE;
ALTER TABLE readings ADD COLUMN average_precision_50 DOUBLE;

ALTER TABLE newest_readings ADD COLUMN iou DOUBLE;
ALTER TABLE newest_readings ADD COLUMN threshold_f1 DOUBLE;
ALTER TABLE newest_readings ADD COLUMN truths DOUBLE;
ALTER TABLE newest_readings ADD COLUMN labelled_images DOUBLE;
ALTER TABLE newest_readings ADD COLUMN recall_ceiling DOUBLE;
ALTER TABLE newest_readings ADD COLUMN fp_per_image DOUBLE;
ALTER TABLE newest_readings ADD COLUMN ece_above_threshold DOUBLE;
ALTER TABLE newest_readings ADD COLUMN laece DOUBLE;
ALTER TABLE newest_readings ADD COLUMN average_precision DOUBLE;
ALTER TABLE newest_readings ADD COLUMN average_precision_50 DOUBLE;

INSERT INTO images_touched              -- what is matched already is matched again, once, for its objects
SELECT DISTINCT model_id, image_id FROM reviews;
