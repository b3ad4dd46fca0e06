-- Ids are ULIDs, kept as uuid (the same 128 bits, the same order). People are DIDs, compared byte by byte.

CREATE TABLE users (
    id            text COLLATE "C" PRIMARY KEY,
    handle        text        NOT NULL,
    password_hash text        NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_handle ON users (lower(handle));

CREATE TABLE sessions (
    id                 uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id            text COLLATE "C" NOT NULL REFERENCES users ON DELETE CASCADE,
    access_hash        bytea       NOT NULL UNIQUE,
    access_expires_at  timestamptz NOT NULL,
    refresh_hash       bytea       NOT NULL UNIQUE,
    refresh_expires_at timestamptz NOT NULL,
    -- Refresh tokens that were replaced: whoever shows one again ends the session.
    spent_refresh      bytea[]     NOT NULL DEFAULT '{}',
    created_at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (refresh_expires_at);
CREATE INDEX sessions_spent ON sessions USING gin (spent_refresh);

-- A person with mock authentication has no account, so nothing below refers to users.

CREATE TABLE cards (
    id             uuid PRIMARY KEY,
    owner_id       text COLLATE "C" NOT NULL,
    url            text        NOT NULL,
    normalised_url text        NOT NULL,
    -- SHA-256 of normalised_url, which may be longer than an index entry.
    url_digest     bytea       NOT NULL,
    via            uuid,
    -- The live link to the owner's library, and since when.
    library_link   uuid,
    library_at     timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT one_card_per_person_and_url UNIQUE (owner_id, url_digest),
    CHECK ((library_link IS NULL) = (library_at IS NULL))
) WITH (fillfactor = 90);
CREATE INDEX cards_library ON cards (owner_id, library_at DESC, id DESC) WHERE library_link IS NOT NULL;

CREATE TABLE notes (
    card_id uuid PRIMARY KEY REFERENCES cards,
    id      uuid NOT NULL UNIQUE,
    text    text NOT NULL
);

CREATE TABLE collections (
    id          uuid PRIMARY KEY,
    author_id   text COLLATE "C" NOT NULL,
    name        text        NOT NULL,
    description text        NOT NULL,
    access      text        NOT NULL CHECK (access IN ('OPEN', 'CLOSED')),
    -- Rises with every change, so that who read an older one learns it at the commit.
    version     bigint      NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX collections_author ON collections (author_id, created_at DESC, id DESC);

CREATE TABLE collaborators (
    collection_id uuid NOT NULL REFERENCES collections ON DELETE CASCADE,
    user_id       text COLLATE "C" NOT NULL,
    PRIMARY KEY (collection_id, user_id)
);
CREATE INDEX collaborators_user ON collaborators (user_id);

-- The reference to collections has no cascade: deleting a collection to which a card was just added fails, and is run again.
CREATE TABLE links (
    id            uuid PRIMARY KEY,
    card_id       uuid        NOT NULL REFERENCES cards,
    collection_id uuid        NOT NULL REFERENCES collections,
    added_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT one_link_per_card_and_collection UNIQUE (card_id, collection_id)
);
CREATE INDEX links_collection ON links (collection_id, added_at DESC, card_id DESC);

CREATE TABLE idempotency_keys (
    user_id     text COLLATE "C" NOT NULL,
    key         text COLLATE "C" NOT NULL,
    fingerprint text        NOT NULL,
    answer      jsonb       NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys USING brin (created_at);

CREATE TABLE events (
    id          uuid PRIMARY KEY,
    type        text        NOT NULL,
    envelope    jsonb       NOT NULL,
    occurred_at timestamptz NOT NULL
);
CREATE INDEX events_age ON events USING brin (occurred_at);

-- A row is an event still owed to the queue. Rows live for seconds and are updated twice: leave them room to stay on
-- their page, and vacuum often. There is no reference to events: nothing deletes an event that is owed, and a check
-- for each row would slow every save.
CREATE TABLE deliveries (
    queue         text COLLATE "C" NOT NULL,
    event_id      uuid        NOT NULL,
    occurred_at   timestamptz NOT NULL,
    claimed_until timestamptz,
    published_at  timestamptz,
    -- When a published event without effect is published again, and how often that has happened.
    resend_at     timestamptz,
    sweeps        integer     NOT NULL DEFAULT 0,
    not_before    timestamptz,
    tries         integer     NOT NULL DEFAULT 0,
    dead_at       timestamptz,
    error         text,
    PRIMARY KEY (queue, event_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000,
        autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX deliveries_unpublished ON deliveries (queue, occurred_at, event_id)
    WHERE published_at IS NULL AND dead_at IS NULL;
CREATE INDEX deliveries_published ON deliveries (resend_at) WHERE published_at IS NOT NULL AND dead_at IS NULL;
CREATE INDEX deliveries_dead ON deliveries (queue, event_id) WHERE dead_at IS NOT NULL;

CREATE TABLE rejected_entries (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue  text        NOT NULL,
    raw    text        NOT NULL,
    reason text        NOT NULL,
    at     timestamptz NOT NULL DEFAULT now()
);

-- The members of an activity are four arrays of one length: one row is written for an activity, however many events it has.
CREATE TABLE activities (
    id             uuid PRIMARY KEY,
    card_id        uuid          NOT NULL,
    actor_id       text COLLATE "C" NOT NULL,
    created_at     timestamptz   NOT NULL,
    window_start   timestamptz   NOT NULL,
    -- The transaction that made it known: orders the live feed.
    epoch          xid8          NOT NULL DEFAULT pg_current_xact_id(),
    event_ids      uuid[]        NOT NULL,
    occurred_ats   timestamptz[] NOT NULL,
    link_ids       uuid[]        NOT NULL,
    -- NULL: added to the library.
    collection_ids uuid[]        NOT NULL
);
CREATE INDEX activities_feed ON activities (created_at DESC, id DESC);
CREATE INDEX activities_actor ON activities (actor_id, created_at DESC, id DESC);
CREATE INDEX activities_window ON activities (card_id, actor_id, window_start);
CREATE INDEX activities_stream ON activities (epoch, id);

-- Words are stored as lexemes as they are: people search for what they see.
CREATE TABLE search_documents (
    card_id    uuid PRIMARY KEY,
    owner_id   text COLLATE "C" NOT NULL,
    url        text     NOT NULL,
    url_digest bytea    NOT NULL,
    -- What everybody may find it by, and what its owner may: the same with the words of the note.
    words      tsvector NOT NULL,
    own_words  tsvector NOT NULL
);
CREATE INDEX search_documents_words ON search_documents USING gin (words);
CREATE INDEX search_documents_own_words ON search_documents USING gin (own_words);

CREATE TABLE daily_totals (
    day             date PRIMARY KEY,
    saves           bigint NOT NULL,
    active_curators bigint NOT NULL
);
CREATE TABLE daily_curators (
    day     date NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (day, user_id)
);
CREATE TABLE daily_urls (
    day        date   NOT NULL,
    url_digest bytea  NOT NULL,
    -- The oldest card counted here: it lends its spelling of the URL.
    card_id    uuid   NOT NULL,
    saves      bigint NOT NULL,
    PRIMARY KEY (day, url_digest)
);

-- Undoes the whole statement that finds less, or more, than its author had read.
CREATE FUNCTION expect_rows(actual bigint, expected bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF actual <> expected THEN
        RAISE EXCEPTION 'found % rows instead of %', actual, expected USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN true;
END
$$;
