-- Files at which reading failed in a way that says nothing of what they hold: they are tried alone, in a process of their own.

CREATE TABLE files_set_aside (
    model          VARCHAR   NOT NULL,
    source         VARCHAR   NOT NULL,
    item           VARCHAR   NOT NULL,   -- the file, or the name of the push in the inbox
    fingerprint    VARCHAR   NOT NULL,   -- as it was when it was tried: another one is another file
    tries          INTEGER   NOT NULL,   -- that failed, at most one a cycle
    crashes        INTEGER   NOT NULL,   -- times calwatch ended while it read it, with others or alone
    set_aside      BOOLEAN   NOT NULL,   -- no longer read; false: it is tried again in the next cycle
    kind           VARCHAR   NOT NULL,   -- out_of_memory, crashed, timed_out, failed; '' = not tried alone yet
    reason         VARCHAR   NOT NULL,
    remedy         VARCHAR   NOT NULL,
    first_tried_at TIMESTAMP NOT NULL,
    last_tried_at  TIMESTAMP NOT NULL,
    tried_with     VARCHAR   NOT NULL    -- version and memory_limit: with others it is tried again
);
