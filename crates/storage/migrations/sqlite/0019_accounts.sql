-- Accounts that people can live with: administrators, suspension, profiles, sessions that can be told apart, API tokens, invites, and links
-- that set a new password.

-- Besides those that the settings name.
ALTER TABLE users ADD COLUMN is_admin INTEGER NOT NULL DEFAULT 0;
-- Nobody signs in there. NULL: it is not suspended.
ALTER TABLE users ADD COLUMN suspended_at INTEGER;

-- Noted at most once in five minutes.
ALTER TABLE sessions ADD COLUMN last_seen_at INTEGER NOT NULL DEFAULT 0;
-- What signed in, such as "Firefox on Linux"; may be empty.
ALTER TABLE sessions ADD COLUMN client TEXT NOT NULL DEFAULT '';
UPDATE sessions SET last_seen_at = created_at;

-- Of people with and without an account. A person without a row has a blank one.
CREATE TABLE profiles (
    user_id            TEXT PRIMARY KEY,
    display_name       TEXT,
    bio                TEXT,
    default_visibility TEXT    NOT NULL CHECK (default_visibility IN ('PUBLIC', 'PRIVATE')),
    created_at         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Of tokens, codes and links only the SHA-256 is kept.

CREATE TABLE api_tokens (
    id           BLOB PRIMARY KEY,
    user_id      TEXT    NOT NULL REFERENCES users ON DELETE CASCADE,
    name         TEXT    NOT NULL,
    scope        TEXT    NOT NULL CHECK (scope IN ('read', 'write')),
    token_hash   BLOB    NOT NULL UNIQUE,
    created_at   INTEGER NOT NULL,
    -- NULL: it is good until it is revoked.
    expires_at   INTEGER,
    -- Noted at most once in five minutes.
    last_used_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX api_tokens_user ON api_tokens (user_id);

-- An invite lets one person sign up. It is cleared away some time after it has expired.
CREATE TABLE invites (
    code_hash  BLOB PRIMARY KEY,
    created_by TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_by    TEXT,
    used_at    INTEGER,
    CHECK ((used_by IS NULL) = (used_at IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX invites_expiry ON invites (expires_at);

-- One link for each person: a new one replaces it.
CREATE TABLE password_resets (
    token_hash BLOB PRIMARY KEY,
    user_id    TEXT    NOT NULL UNIQUE REFERENCES users ON DELETE CASCADE,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
