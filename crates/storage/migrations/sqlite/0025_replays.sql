-- Failures by the kind of their errors, and events that go to a queue again.

-- What an error has in common with others of its cause, and when it was last failed of. Both NULL where nothing failed.
ALTER TABLE deliveries ADD COLUMN error_group TEXT;
ALTER TABLE deliveries ADD COLUMN failed_at INTEGER;
UPDATE deliveries SET error_group = '(failed before errors were grouped)', failed_at = coalesce(dead_at, occurred_at)
WHERE error IS NOT NULL;
CREATE INDEX deliveries_failed ON deliveries (queue, error_group, event_id, failed_at, dead_at) WHERE error_group IS NOT NULL;

CREATE TABLE replays (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    queue        TEXT    NOT NULL,
    -- Of the events accepted in this time, those of this type, about this card, by this person. NULL: of any.
    from_at      INTEGER NOT NULL,
    until_at     INTEGER NOT NULL,
    type         TEXT,
    card_id      BLOB,
    person       TEXT,
    requested_by TEXT    NOT NULL,
    requested_at INTEGER NOT NULL,
    started_at   INTEGER,
    finished_at  INTEGER,
    cancelled    INTEGER NOT NULL DEFAULT 0,
    error        TEXT,
    -- The last event that was looked at; for analytics, the last day.
    after_event  BLOB,
    after_day    INTEGER,
    done         INTEGER NOT NULL DEFAULT 0,
    total        INTEGER NOT NULL,
    lease        BLOB,
    lease_until  INTEGER
) STRICT;
CREATE UNIQUE INDEX one_replay_of_a_queue ON replays (queue) WHERE finished_at IS NULL;

-- Whether what it adds is news, of which the feed is told. NULL: an older release wrote it, and it is not known.
ALTER TABLE events ADD COLUMN told INTEGER;
