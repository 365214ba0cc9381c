-- What detectors log and what there was, from which samples are matched. The image is the unit.

CREATE TABLE images (                   -- what is known of an image, by who says it
    model_id    USMALLINT NOT NULL,
    image_id    VARCHAR   NOT NULL,
    said_by     UTINYINT  NOT NULL,     -- 0 a table of images, 1 its detections, 2 its truth: the lowest is believed
    observed_at TIMESTAMP,              -- NULL, as all of these, = not said
    width       DOUBLE,                 -- pixels
    height      DOUBLE,
    version     VARCHAR,
    cuts        MAP(VARCHAR, VARCHAR),  -- slice dimension → value as it is written
    file_id     INTEGER,
    row         BIGINT,
    arrived_at  TIMESTAMP NOT NULL
);

CREATE TABLE detections (
    model_id    USMALLINT NOT NULL,
    image_id    VARCHAR   NOT NULL,
    detection   VARCHAR   NOT NULL,     -- its id, or class#rank by falling score in its file, from 0
    class       VARCHAR   NOT NULL,
    score       DOUBLE    NOT NULL,
    raw_score   DOUBLE,
    calibrator  VARCHAR,
    version     VARCHAR,
    x1          DOUBLE    NOT NULL,
    y1          DOUBLE    NOT NULL,
    x2          DOUBLE    NOT NULL,
    y2          DOUBLE    NOT NULL,
    normalised  BOOLEAN   NOT NULL,     -- shares of the image; else pixels
    listed      BOOLEAN   NOT NULL,     -- from a list of four, whose meaning [model.matching] boxes says
    cuts        MAP(VARCHAR, VARCHAR),
    file_id     INTEGER,                -- NULL = kept although its file no longer says it
    row         BIGINT    NOT NULL,     -- of equal scores the earlier chooses first
    arrived_at  TIMESTAMP NOT NULL,
    matched     INTEGER,                -- number of the truth that it found, -1 = none; NULL = not labelled
    ignored     BOOLEAN                 -- neither right nor wrong; NULL = its image is not known yet
);

CREATE TABLE reviews (                  -- images whose objects are known, with none too
    model_id    USMALLINT NOT NULL,
    image_id    VARCHAR   NOT NULL,
    labelled_at TIMESTAMP NOT NULL,
    dated       BOOLEAN   NOT NULL,     -- false = counts as given when it was first read
    content     UBIGINT   NOT NULL,     -- of its truths: equal where they are
    file_id     INTEGER,
    row         BIGINT    NOT NULL,
    arrived_at  TIMESTAMP NOT NULL
);

CREATE TABLE truths (
    model_id    USMALLINT NOT NULL,
    image_id    VARCHAR   NOT NULL,
    number      INTEGER   NOT NULL,     -- within its image, from 0: of equal overlaps the later is found
    class       VARCHAR   NOT NULL,
    x1          DOUBLE    NOT NULL,
    y1          DOUBLE    NOT NULL,
    x2          DOUBLE    NOT NULL,
    y2          DOUBLE    NOT NULL,
    normalised  BOOLEAN   NOT NULL,
    listed      BOOLEAN   NOT NULL,
    crowd       BOOLEAN   NOT NULL,     -- a region of many objects
    row         BIGINT    NOT NULL,
    found       BOOLEAN                 -- by a detection; NULL = not asked yet
);

CREATE TABLE images_touched (           -- to be matched, or matched again: committed with what touched them
    model_id USMALLINT NOT NULL,
    image_id VARCHAR   NOT NULL
);

CREATE TABLE images_matched (           -- under which time the samples of an image are stored
    model_id    USMALLINT NOT NULL,
    image_id    VARCHAR   NOT NULL,
    observed_at TIMESTAMP NOT NULL
);
