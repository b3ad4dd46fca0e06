-- How long events took from acceptance to effect, and what each worker did, over the last day. Nothing depends on either.
CREATE TABLE queue_latencies (
    queue    TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    -- The upper bound of the bucket; 0: longer than all bounds.
    up_to_ms INTEGER NOT NULL,
    events   INTEGER NOT NULL,
    PRIMARY KEY (queue, at, up_to_ms)
) STRICT, WITHOUT ROWID;

CREATE TABLE worker_samples (
    worker    BLOB    NOT NULL,
    at        INTEGER NOT NULL,
    queue     TEXT    NOT NULL,
    host      TEXT    NOT NULL,
    pid       INTEGER NOT NULL,
    processed INTEGER NOT NULL,
    in_flight INTEGER NOT NULL,
    PRIMARY KEY (worker, at)
) STRICT, WITHOUT ROWID;
CREATE INDEX worker_samples_age ON worker_samples (at);
