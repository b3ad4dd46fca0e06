-- Everything, in one file: what PostgreSQL holds after the migration of the same number. Ids are ULIDs, 16 bytes, in the same order. People
-- are DIDs, compared byte by byte. Times are microseconds since 1970; days are days since 1970.

CREATE TABLE users (
    id            TEXT PRIMARY KEY,
    handle        TEXT    NOT NULL,
    -- The handle in lower case.
    handle_key    TEXT    NOT NULL UNIQUE,
    password_hash TEXT    NOT NULL,
    created_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    id                 BLOB PRIMARY KEY,
    user_id            TEXT    NOT NULL REFERENCES users ON DELETE CASCADE,
    access_hash        BLOB    NOT NULL UNIQUE,
    access_expires_at  INTEGER NOT NULL,
    refresh_hash       BLOB    NOT NULL UNIQUE,
    refresh_expires_at INTEGER NOT NULL,
    created_at         INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (refresh_expires_at);

-- Refresh tokens that were replaced. Using one again ends the session.
CREATE TABLE spent_refresh (
    hash       BLOB PRIMARY KEY,
    session_id BLOB NOT NULL REFERENCES sessions ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX spent_refresh_session ON spent_refresh (session_id);

-- A person with mock authentication has no account, so nothing below refers to users.

CREATE TABLE cards (
    id             BLOB PRIMARY KEY,
    owner_id       TEXT    NOT NULL,
    url            TEXT    NOT NULL,
    normalised_url TEXT    NOT NULL,
    -- SHA-256 of normalised_url.
    url_digest     BLOB    NOT NULL,
    via            BLOB,
    -- The live link to the owner's library, and since when.
    library_link   BLOB,
    library_at     INTEGER,
    imported       INTEGER NOT NULL DEFAULT 0,
    -- Raised by every change to the card, its note and its links. A commit that read an older version fails.
    version        INTEGER NOT NULL DEFAULT 1,
    created_at     INTEGER NOT NULL,
    UNIQUE (owner_id, url_digest),
    CHECK ((library_link IS NULL) = (library_at IS NULL))
) STRICT;
CREATE INDEX cards_library ON cards (owner_id, library_at DESC, id DESC) WHERE library_link IS NOT NULL;
CREATE INDEX cards_made ON cards (owner_id, created_at DESC) WHERE imported = 0;
CREATE INDEX cards_kept ON cards (url_digest, id, library_at, library_link) WHERE library_link IS NOT NULL;

CREATE TABLE notes (
    card_id BLOB PRIMARY KEY REFERENCES cards,
    id      BLOB NOT NULL UNIQUE,
    text    TEXT NOT NULL
) STRICT;

CREATE TABLE collections (
    id          BLOB PRIMARY KEY,
    author_id   TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    description TEXT    NOT NULL,
    access      TEXT    NOT NULL CHECK (access IN ('OPEN', 'CLOSED')),
    version     INTEGER NOT NULL DEFAULT 1,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    -- Gone for everybody; its cards leave it afterwards, portion by portion, and then the row goes, too.
    deleted_at  INTEGER
) STRICT;
CREATE INDEX collections_author ON collections (author_id, created_at DESC, id DESC);
CREATE INDEX collections_deleted ON collections (id) WHERE deleted_at IS NOT NULL;

CREATE TABLE collaborators (
    collection_id BLOB NOT NULL REFERENCES collections ON DELETE CASCADE,
    user_id       TEXT NOT NULL,
    PRIMARY KEY (collection_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX collaborators_user ON collaborators (user_id);

CREATE TABLE invitations (
    collection_id BLOB    NOT NULL REFERENCES collections ON DELETE CASCADE,
    user_id       TEXT    NOT NULL,
    invited_at    INTEGER NOT NULL,
    PRIMARY KEY (collection_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX invitations_user ON invitations (user_id, invited_at DESC, collection_id DESC);

-- user_id does not accept invitations from blocked_id.
CREATE TABLE blocks (
    user_id    TEXT    NOT NULL,
    blocked_id TEXT    NOT NULL,
    blocked_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, blocked_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX blocks_user ON blocks (user_id, blocked_at DESC, blocked_id DESC);

-- The reference to collections has no cascade: deleting a collection to which a card was just added fails, and is run again.
CREATE TABLE links (
    id            BLOB PRIMARY KEY,
    card_id       BLOB    NOT NULL REFERENCES cards,
    collection_id BLOB    NOT NULL REFERENCES collections,
    added_at      INTEGER NOT NULL,
    UNIQUE (card_id, collection_id)
) STRICT;
CREATE INDEX links_collection ON links (collection_id, added_at DESC, card_id DESC);

CREATE TABLE idempotency_keys (
    user_id     TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    fingerprint TEXT    NOT NULL,
    answer      TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (user_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

CREATE TABLE events (
    id          BLOB PRIMARY KEY,
    type        TEXT    NOT NULL,
    envelope    TEXT    NOT NULL,
    occurred_at INTEGER NOT NULL
) STRICT;
CREATE INDEX events_age ON events (occurred_at);

-- A row is an event still owed to the queue. Healthy ones are inserted and deleted, and never updated.
CREATE TABLE deliveries (
    event_id     BLOB    NOT NULL,
    queue        TEXT    NOT NULL,
    occurred_at  INTEGER NOT NULL,
    -- When somebody must look at it again.
    due_at       INTEGER NOT NULL,
    published_at INTEGER,
    sweeps       INTEGER NOT NULL DEFAULT 0,
    tries        INTEGER NOT NULL DEFAULT 0,
    dead_at      INTEGER,
    error        TEXT,
    PRIMARY KEY (event_id, queue)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (queue, due_at) WHERE dead_at IS NULL;
CREATE INDEX deliveries_dead ON deliveries (queue, event_id) WHERE dead_at IS NOT NULL;

-- What befell an event on its way to a queue that does not befall healthy events, which never get a row here.
CREATE TABLE delivery_steps (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    queue    TEXT    NOT NULL,
    event_id BLOB    NOT NULL,
    at       INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    detail   TEXT    NOT NULL
) STRICT;
CREATE INDEX delivery_steps_event ON delivery_steps (queue, event_id, id);
CREATE INDEX delivery_steps_age ON delivery_steps (at);

CREATE TABLE rejected_entries (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    queue  TEXT    NOT NULL,
    raw    TEXT    NOT NULL,
    reason TEXT    NOT NULL,
    at     INTEGER NOT NULL
) STRICT;

-- Days before this moment may have lost events to pruning.
CREATE TABLE event_log_horizon (
    only_row     INTEGER PRIMARY KEY CHECK (only_row = 1),
    pruned_until INTEGER NOT NULL
) STRICT;

CREATE TABLE activities (
    id           BLOB PRIMARY KEY,
    card_id      BLOB    NOT NULL,
    actor_id     TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    window_start INTEGER NOT NULL,
    -- Rises in the order of the commits: orders the live feed. Never given twice.
    position     INTEGER NOT NULL UNIQUE
) STRICT;
CREATE INDEX activities_feed ON activities (created_at DESC, id DESC);
CREATE INDEX activities_actor ON activities (actor_id, created_at DESC, id DESC);
CREATE INDEX activities_window ON activities (card_id, actor_id, window_start);

CREATE TABLE activity_members (
    activity_id   BLOB    NOT NULL REFERENCES activities ON DELETE CASCADE,
    event_id      BLOB    NOT NULL,
    occurred_at   INTEGER NOT NULL,
    link_id       BLOB    NOT NULL,
    -- NULL: added to the library.
    collection_id BLOB,
    PRIMARY KEY (activity_id, event_id)
) STRICT, WITHOUT ROWID;

-- The last position given out.
CREATE TABLE stream_position (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    position INTEGER NOT NULL
) STRICT;
INSERT INTO stream_position VALUES (1, 0);

-- What is known of the page behind each normalised URL, and when to fetch it next. One row for all cards of the URL.
CREATE TABLE pages (
    number        INTEGER PRIMARY KEY,
    url_digest    BLOB    NOT NULL UNIQUE,
    -- The normalised form: it is what is fetched.
    url           TEXT    NOT NULL,
    host          TEXT    NOT NULL,
    state         TEXT    NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'ready', 'failed')),
    reason        TEXT,
    retryable     INTEGER NOT NULL DEFAULT 1,
    -- Fetches since the last that succeeded.
    tries         INTEGER NOT NULL DEFAULT 0,
    -- NULL: never again.
    next_fetch_at INTEGER,
    -- Who fetches it now; next_fetch_at is when somebody else may.
    lease         BLOB,
    fetched_at    INTEGER,
    title         TEXT,
    description   TEXT,
    image         TEXT,
    site_name     TEXT,
    author        TEXT,
    kind          TEXT,
    language      TEXT,
    -- Due pages stand in line for their fetch. A page's turn is its place in the line of the person who asked for it or in the line of its
    -- registrable domain, whichever comes later. All five are set while it is in line, and only then.
    turn          INTEGER,
    asked_by      TEXT,
    domain        TEXT,
    by_person     INTEGER,
    by_domain     INTEGER,
    -- How many libraries hold it, as far as it is indexed, and its row in search_pages.
    cards         INTEGER NOT NULL DEFAULT 0,
    place         INTEGER
) STRICT;
CREATE INDEX pages_line ON pages (turn, next_fetch_at) WHERE turn IS NOT NULL;
CREATE INDEX pages_line_of_person ON pages (asked_by, by_person) WHERE turn IS NOT NULL;
CREATE INDEX pages_line_of_domain ON pages (domain, by_person, by_domain) WHERE turn IS NOT NULL;
CREATE INDEX pages_to_line_up ON pages (next_fetch_at) WHERE turn IS NULL AND next_fetch_at IS NOT NULL;

CREATE TABLE daily_totals (
    day             INTEGER PRIMARY KEY,
    saves           INTEGER NOT NULL,
    active_curators INTEGER NOT NULL,
    new_cards       INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE daily_curators (
    day     INTEGER NOT NULL,
    user_id TEXT    NOT NULL,
    PRIMARY KEY (day, user_id)
) STRICT, WITHOUT ROWID;

-- What is trending follows from the cards that are kept now: somebody counts once for a URL, on the UTC day on which they saved it.
-- The same is added up for domains and types of pages. What nobody keeps has no row.

-- subject: url (key: its digest), domain (its name) or type (the page's kind, empty if it is not known).
CREATE TABLE trend_days (
    subject TEXT    NOT NULL,
    key     BLOB    NOT NULL,
    day     INTEGER NOT NULL,
    saves   INTEGER NOT NULL,
    PRIMARY KEY (subject, key, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX trend_days_day ON trend_days (day);

-- Running totals: of all days, and of the days after trend_windows.from_day.
CREATE TABLE trends (
    subject TEXT    NOT NULL,
    key     BLOB    NOT NULL,
    total   INTEGER NOT NULL DEFAULT 0,
    d7      INTEGER NOT NULL DEFAULT 0,
    d30     INTEGER NOT NULL DEFAULT 0,
    d90     INTEGER NOT NULL DEFAULT 0,
    d366    INTEGER NOT NULL DEFAULT 0,
    -- Of a URL: what it was added to, too.
    domain  TEXT,
    kind    TEXT,
    PRIMARY KEY (subject, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX trends_d7 ON trends (subject, d7 DESC, key) WHERE d7 > 0;
CREATE INDEX trends_d30 ON trends (subject, d30 DESC, key) WHERE d30 > 0;
CREATE INDEX trends_d90 ON trends (subject, d90 DESC, key) WHERE d90 > 0;
CREATE INDEX trends_d366 ON trends (subject, d366 DESC, key) WHERE d366 > 0;

CREATE TABLE trend_windows (
    days     INTEGER PRIMARY KEY,
    from_day INTEGER NOT NULL
) STRICT;

-- What operators did, and how much came of it. Written in the transaction of what it changed; never pruned.
CREATE TABLE audit_log (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    at           INTEGER NOT NULL,
    person       TEXT    NOT NULL,
    action       TEXT    NOT NULL,
    queue        TEXT,
    target       TEXT,
    parameters   TEXT    NOT NULL,
    affected     INTEGER NOT NULL DEFAULT 0,
    -- NULL: still running, or its process died.
    completed_at INTEGER
) STRICT;

-- A queue without a row was never paused.
CREATE TABLE queue_pauses (
    queue      TEXT PRIMARY KEY,
    -- NULL: it is not paused now.
    paused_at  INTEGER,
    person     TEXT,
    reason     TEXT,
    resumed_at INTEGER
) STRICT, WITHOUT ROWID;

-- Ever since counting began, summed over all workers.
CREATE TABLE queue_totals (
    queue     TEXT PRIMARY KEY,
    processed INTEGER NOT NULL,
    failed    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- When the last sample was taken. The process that moves this on takes the next one.
CREATE TABLE sample_turn (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    at       INTEGER NOT NULL
) STRICT;

CREATE TABLE queue_samples (
    queue        TEXT    NOT NULL,
    at           INTEGER NOT NULL,
    -- NULL: the transport did not answer.
    waiting      INTEGER,
    in_flight    INTEGER,
    suspects     INTEGER,
    workers      INTEGER,
    owed         INTEGER NOT NULL,
    unpublished  INTEGER NOT NULL,
    dead         INTEGER NOT NULL,
    oldest_age_s INTEGER NOT NULL,
    processed    INTEGER NOT NULL,
    failed       INTEGER NOT NULL,
    PRIMARY KEY (queue, at)
) STRICT, WITHOUT ROWID;

CREATE TABLE search_rebuilds (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    requested_by TEXT    NOT NULL,
    requested_at INTEGER NOT NULL,
    started_at   INTEGER,
    finished_at  INTEGER,
    error        TEXT,
    after_card   BLOB,
    done         INTEGER NOT NULL DEFAULT 0,
    total        INTEGER,
    -- Who runs it, and until when it is that one's.
    lease        BLOB,
    lease_until  INTEGER
) STRICT;
CREATE UNIQUE INDEX one_rebuild_at_a_time ON search_rebuilds ((1)) WHERE finished_at IS NULL;

-- Links that people import from other programs. An import is leased as a whole.
CREATE TABLE imports (
    id            BLOB PRIMARY KEY,
    owner_id      TEXT    NOT NULL,
    file_name     TEXT    NOT NULL,
    collection_id BLOB,
    total         INTEGER NOT NULL,
    saved         INTEGER NOT NULL DEFAULT 0,
    known         INTEGER NOT NULL DEFAULT 0,
    refused       INTEGER NOT NULL DEFAULT 0,
    begun_at      INTEGER NOT NULL,
    finished_at   INTEGER,
    -- Who works on it now; next_at is when somebody else may. NULL: it is finished.
    lease         BLOB,
    next_at       INTEGER
) STRICT;
CREATE INDEX imports_owner ON imports (owner_id, begun_at DESC, id DESC);
CREATE UNIQUE INDEX imports_one_at_a_time ON imports (owner_id) WHERE finished_at IS NULL;
CREATE INDEX imports_due ON imports (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX imports_finished ON imports (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE import_rows (
    import_id BLOB    NOT NULL REFERENCES imports ON DELETE CASCADE,
    number    INTEGER NOT NULL,
    url       TEXT    NOT NULL,
    note      TEXT,
    -- NULL: not yet looked at.
    outcome   TEXT CHECK (outcome IN ('saved', 'known', 'refused')),
    card_id   BLOB,
    reason    TEXT,
    PRIMARY KEY (import_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX import_rows_open ON import_rows (import_id, number) WHERE outcome IS NULL;
CREATE INDEX import_rows_refused ON import_rows (import_id, number) WHERE outcome = 'refused';

-- Search. What is found by words: a URL that somebody keeps, and for its author a note. There are rows only of what somebody keeps.

CREATE TABLE search_documents (
    -- Never given twice, so that one that goes and one that comes are not taken for each other.
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    card_id  BLOB    NOT NULL UNIQUE,
    owner_id TEXT    NOT NULL,
    -- pages.number
    page     INTEGER NOT NULL,
    UNIQUE (owner_id, page)
) STRICT;
CREATE INDEX search_documents_page ON search_documents (page, card_id);

-- Columns hold words as the domain takes them apart, with a space between; the tokenizer leaves them as they are. names: of the site and of
-- the author. scope: marks that are no words, of the page's type and of the note's author, by which a search is narrowed.
-- rowid is pages.place: what more people keep comes first, so that of very many hits the first ones do.
CREATE VIRTUAL TABLE search_pages USING fts5 (
    scope, title, names, description, url, tokenize = 'ascii', prefix = '1 2 3', columnsize = 0
);
-- A note together with its page. rowid is search_documents.number.
CREATE VIRTUAL TABLE search_notes USING fts5 (
    scope, title, names, description, url, note, tokenize = 'ascii', prefix = '1 2 3', columnsize = 0
);

-- Indexed words that a typing error may be taken for. owner_id is empty for words that everybody may find, else whose notes hold it.
CREATE TABLE search_words (
    owner_id TEXT NOT NULL,
    word     TEXT NOT NULL,
    PRIMARY KEY (owner_id, word)
) STRICT, WITHOUT ROWID;
-- Of each word that everybody may find some letters, and at which place in it: a word with few errors has some of them right.
CREATE TABLE search_word_parts (
    letters TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    length  INTEGER NOT NULL,
    word    TEXT    NOT NULL,
    PRIMARY KEY (letters, at, length, word)
) STRICT, WITHOUT ROWID;
