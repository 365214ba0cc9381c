-- Truth of images whose time nobody has said yet, which other truth stands in front of: should that turn out to have come later
-- than label_horizon, the newest of these that did not counts. And images that are not known to be without detections.

CREATE TABLE held_truths (              -- a row an object; one without a class where nothing is in the image
    model_id    USMALLINT NOT NULL,
    image_id    VARCHAR   NOT NULL,
    said        UBIGINT   NOT NULL,     -- which of several that are held of the image
    labelled_at TIMESTAMP NOT NULL,     -- as all down to arrived_at: as in reviews
    dated       BOOLEAN   NOT NULL,
    content     UBIGINT   NOT NULL,
    file_id     INTEGER,
    review_row  BIGINT    NOT NULL,
    arrived_at  TIMESTAMP NOT NULL,
    number      INTEGER   NOT NULL,     -- as all from here on: as in truths
    class       VARCHAR,
    x1          DOUBLE,
    y1          DOUBLE,
    x2          DOUBLE,
    y2          DOUBLE,
    normalised  BOOLEAN,
    listed      BOOLEAN,
    crowd       BOOLEAN,
    row         BIGINT
);

CREATE TABLE images_refused (           -- whose detections stand in a file of which nothing was taken: what is on them is unknown
    model_id    USMALLINT NOT NULL,
    image_id    VARCHAR   NOT NULL,
    file_id     INTEGER   NOT NULL,
    arrived_at  TIMESTAMP NOT NULL
);
