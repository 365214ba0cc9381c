-- The labelled samples that were furthest from what came true, for links to their pictures: of models with image_url.

CREATE TABLE largest_errors (
    model           VARCHAR   NOT NULL,
    place           USMALLINT NOT NULL, -- from 1, the largest first; of an image, or group, its largest alone
    sample_id       VARCHAR   NOT NULL,
    group_id        VARCHAR,            -- of a detector the image
    version         VARCHAR   NOT NULL,
    observed_at     TIMESTAMP NOT NULL,
    labelled_at     TIMESTAMP,
    score           DOUBLE    NOT NULL,
    rate            DOUBLE    NOT NULL, -- what came true: 0 or 1, or a share of a row that counts many
    predicted_class VARCHAR,
    label           VARCHAR,
    labels          MAP(VARCHAR, VARCHAR) NOT NULL -- slice values
);
