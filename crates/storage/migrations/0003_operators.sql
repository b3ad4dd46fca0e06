-- What operators did, and how much came of it. Written in the transaction of what it changed; never pruned.
CREATE TABLE audit_log (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           timestamptz NOT NULL DEFAULT now(),
    person       text COLLATE "C" NOT NULL,
    action       text        NOT NULL,
    queue        text COLLATE "C",
    target       text,
    parameters   jsonb       NOT NULL,
    affected     bigint      NOT NULL DEFAULT 0,
    -- NULL: it goes on, or whoever carried it out was lost.
    completed_at timestamptz
);

-- A queue without a row was never paused.
CREATE TABLE queue_pauses (
    queue      text COLLATE "C" PRIMARY KEY,
    -- NULL: it is not paused now.
    paused_at  timestamptz,
    person     text COLLATE "C",
    reason     text,
    resumed_at timestamptz
);

-- What befell an event on its way to a queue that does not befall healthy events, which never get a row here.
CREATE TABLE delivery_steps (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue    text COLLATE "C" NOT NULL,
    event_id uuid        NOT NULL,
    at       timestamptz NOT NULL DEFAULT now(),
    kind     text        NOT NULL,
    detail   text        NOT NULL
);
CREATE INDEX delivery_steps_event ON delivery_steps (queue, event_id, id);
CREATE INDEX delivery_steps_age ON delivery_steps USING brin (at);

-- Ever since counting began, summed over all workers.
CREATE TABLE queue_totals (
    queue     text COLLATE "C" PRIMARY KEY,
    processed bigint NOT NULL,
    failed    bigint NOT NULL
) WITH (fillfactor = 50);

-- The stretch of time of the last sample: whoever moves it on takes the next.
CREATE TABLE sample_turn (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    at       timestamptz NOT NULL
) WITH (fillfactor = 50);
INSERT INTO sample_turn (at) VALUES ('-infinity');

CREATE TABLE queue_samples (
    queue        text COLLATE "C" NOT NULL,
    at           timestamptz NOT NULL,
    -- NULL: the transport did not answer.
    waiting      bigint,
    in_flight    bigint,
    suspects     bigint,
    workers      bigint,
    owed         bigint NOT NULL,
    unpublished  bigint NOT NULL,
    dead         bigint NOT NULL,
    oldest_age_s bigint NOT NULL,
    processed    bigint NOT NULL,
    failed       bigint NOT NULL,
    PRIMARY KEY (queue, at)
);

CREATE TABLE search_rebuilds (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    requested_by text COLLATE "C" NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    started_at   timestamptz,
    finished_at  timestamptz,
    error        text,
    after_card   uuid,
    done         bigint NOT NULL DEFAULT 0,
    total        bigint,
    -- Who runs it, and until when it is that one's.
    lease        uuid,
    lease_until  timestamptz
);
CREATE UNIQUE INDEX one_rebuild_at_a_time ON search_rebuilds ((true)) WHERE finished_at IS NULL;
