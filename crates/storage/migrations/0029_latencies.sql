-- How long events took from acceptance to effect, and what each worker did, over the last day. Every process adds to the first every 15 seconds;
-- one of them writes the second. Nothing depends on either.
CREATE TABLE queue_latencies (
    queue    text COLLATE "C" NOT NULL,
    at       timestamptz NOT NULL,
    -- The upper bound of the bucket; 0: longer than all bounds.
    up_to_ms bigint NOT NULL,
    events   bigint NOT NULL,
    PRIMARY KEY (queue, at, up_to_ms)
) WITH (fillfactor = 70);

CREATE TABLE worker_samples (
    worker    uuid NOT NULL,
    at        timestamptz NOT NULL,
    queue     text COLLATE "C" NOT NULL,
    host      text   NOT NULL,
    pid       bigint NOT NULL,
    processed bigint NOT NULL,
    in_flight bigint NOT NULL,
    PRIMARY KEY (worker, at)
);
CREATE INDEX worker_samples_age ON worker_samples (at);
