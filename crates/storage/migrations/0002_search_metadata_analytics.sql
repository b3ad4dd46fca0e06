-- Words are looked up by trigrams, so that a misspelt one finds its neighbours.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS fuzzystrmatch;

-- What is known of the page behind each normalised URL, and when to fetch it next. One row for all cards of the URL.
CREATE TABLE pages (
    url_digest    bytea PRIMARY KEY,
    -- The normalised form: it is what is fetched.
    url           text        NOT NULL,
    host          text        NOT NULL,
    state         text        NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'ready', 'failed')),
    reason        text,
    retryable     boolean     NOT NULL DEFAULT true,
    -- Fetches since the last that succeeded.
    tries         integer     NOT NULL DEFAULT 0,
    -- NULL: never again.
    next_fetch_at timestamptz DEFAULT now(),
    -- Who fetches it now; next_fetch_at is when somebody else may.
    lease         uuid,
    fetched_at    timestamptz,
    title         text,
    description   text,
    image         text,
    site_name     text,
    author        text,
    kind          text,
    language      text
) WITH (fillfactor = 80);
CREATE INDEX pages_due ON pages (next_fetch_at) INCLUDE (host) WHERE next_fetch_at IS NOT NULL;

-- What everybody may find a URL by, while somebody keeps it. One row for all its cards, so that a search ranks URLs, not copies.
CREATE TABLE search_pages (
    url_digest bytea PRIMARY KEY,
    kind       text,
    -- How many libraries hold it.
    cards      bigint   NOT NULL,
    -- log2(cards), so that it changes rarely: of very many hits, those that most people keep are ranked.
    popularity smallint NOT NULL,
    -- Weights: A title, B site and author, C description, D URL. Lexemes are words as they are.
    words      tsvector NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX search_pages_popularity ON search_pages (popularity DESC, url_digest);
CREATE INDEX search_pages_words ON search_pages USING gin (words) WITH (fastupdate = off);

-- Every word that is indexed, for typing errors. owner_id is empty for words that everybody may find, else whose notes hold it.
CREATE TABLE search_words (
    owner_id text COLLATE "C" NOT NULL,
    word     text COLLATE "C" NOT NULL,
    PRIMARY KEY (word, owner_id)
);
CREATE INDEX search_words_trigrams ON search_words USING gin (word gin_trgm_ops) WITH (fastupdate = off);

-- The public words are in search_pages now; own_words is there only where there is a note.
ALTER TABLE search_documents ALTER COLUMN words DROP NOT NULL, ALTER COLUMN own_words DROP NOT NULL;
CREATE INDEX search_documents_url ON search_documents (url_digest, card_id);
CREATE UNIQUE INDEX search_documents_owner ON search_documents (owner_id, url_digest);

ALTER TABLE daily_totals ADD COLUMN new_cards bigint NOT NULL DEFAULT 0;
CREATE TABLE daily_domains (
    day    date   NOT NULL,
    domain text COLLATE "C" NOT NULL,
    saves  bigint NOT NULL,
    PRIMARY KEY (day, domain)
);

-- Days before this moment may have lost events to pruning.
CREATE TABLE event_log_horizon (
    only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    pruned_until timestamptz NOT NULL
);
INSERT INTO event_log_horizon (pruned_until)
SELECT coalesce(min(occurred_at), '-infinity') FROM events;
