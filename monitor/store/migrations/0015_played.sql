-- What the whole state is, and the calibrators as their files say them.

CREATE TABLE state (                    -- one row
    played           BOOLEAN NOT NULL,  -- by a demo or a backtest, on a simulated clock
    calwatch_version VARCHAR NOT NULL,  -- that wrote to it last; '' = from before this was kept
    id               UUID    NOT NULL   -- of this state, so that a snapshot of another one is not gone on with
);

-- Of before this was kept: simulated clocks tick on whole seconds, real ones do not. A manual job may have run in between.
INSERT INTO state
SELECT (2 * count(*) FILTER (WHERE moment = date_trunc('second', moment))) > count(*), '', uuid()
FROM (
    SELECT pulled_at AS moment FROM pulls
    UNION SELECT succeeded_at FROM stages
    UNION SELECT finished_at FROM jobs WHERE finished_at IS NOT NULL
);

CREATE TABLE artefacts (                -- the text of each calibrator's file, so that it can be written again
    id       VARCHAR NOT NULL,
    model    VARCHAR NOT NULL,
    document VARCHAR NOT NULL
);
