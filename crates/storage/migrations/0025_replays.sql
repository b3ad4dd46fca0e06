-- Failures by the kind of their errors, and events that go to a queue again.

-- What an error has in common with others of its cause, and when it was last failed of. Both NULL where nothing failed. Processes of an
-- older release write neither: what fails there is in no group until it fails again.
ALTER TABLE deliveries ADD COLUMN error_group text COLLATE "C", ADD COLUMN failed_at timestamptz;
UPDATE deliveries SET error_group = '(failed before errors were grouped)', failed_at = coalesce(dead_at, now())
WHERE error IS NOT NULL;
CREATE INDEX deliveries_failed ON deliveries (queue, error_group, event_id) INCLUDE (failed_at, dead_at)
    WHERE error_group IS NOT NULL;

CREATE TABLE replays (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue        text COLLATE "C" NOT NULL,
    -- Of the events accepted in this time, those of this type, about this card, by this person. NULL: of any.
    from_at      timestamptz NOT NULL,
    until_at     timestamptz NOT NULL,
    type         text,
    card_id      uuid,
    person       text COLLATE "C",
    requested_by text COLLATE "C" NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    started_at   timestamptz,
    finished_at  timestamptz,
    cancelled    boolean     NOT NULL DEFAULT false,
    error        text,
    -- The last event that was looked at; for analytics, the last day.
    after_event  uuid,
    after_day    date,
    done         bigint      NOT NULL DEFAULT 0,
    total        bigint      NOT NULL,
    lease        uuid,
    lease_until  timestamptz
);
CREATE UNIQUE INDEX one_replay_of_a_queue ON replays (queue) WHERE finished_at IS NULL;

-- Last, as saves wait from here on. Whether what it adds is news, of which the feed is told. NULL: an older release wrote it, and it is not known.
ALTER TABLE events ADD COLUMN told boolean;
