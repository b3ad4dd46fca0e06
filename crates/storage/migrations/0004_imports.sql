-- Links that people bring along from elsewhere. Whoever works on an import leases it as a whole.
CREATE TABLE imports (
    id            uuid PRIMARY KEY,
    owner_id      text COLLATE "C" NOT NULL,
    file_name     text        NOT NULL,
    collection_id uuid,
    total         integer     NOT NULL,
    saved         integer     NOT NULL DEFAULT 0,
    known         integer     NOT NULL DEFAULT 0,
    refused       integer     NOT NULL DEFAULT 0,
    begun_at      timestamptz NOT NULL DEFAULT now(),
    finished_at   timestamptz,
    -- Who works on it now; next_at is when somebody else may. NULL: it is finished.
    lease         uuid,
    next_at       timestamptz DEFAULT now()
);
CREATE INDEX imports_owner ON imports (owner_id, begun_at DESC, id DESC);
CREATE UNIQUE INDEX imports_one_at_a_time ON imports (owner_id) WHERE finished_at IS NULL;
CREATE INDEX imports_due ON imports (next_at) WHERE next_at IS NOT NULL;

CREATE TABLE import_rows (
    import_id uuid    NOT NULL REFERENCES imports ON DELETE CASCADE,
    number    integer NOT NULL,
    url       text    NOT NULL,
    note      text,
    -- NULL: not yet looked at.
    outcome   text CHECK (outcome IN ('saved', 'known', 'refused')),
    card_id   uuid,
    reason    text,
    PRIMARY KEY (import_id, number)
);
CREATE INDEX import_rows_open ON import_rows (import_id, number) WHERE outcome IS NULL;
CREATE INDEX import_rows_refused ON import_rows (import_id, number) WHERE outcome = 'refused';
