-- Accounts that people can live with: administrators, suspension, profiles, sessions that can be told apart, API tokens, invites, and links
-- that set a new password.

ALTER TABLE users
    -- Besides those that the settings name.
    ADD COLUMN is_admin     boolean NOT NULL DEFAULT false,
    -- Nobody signs in there. NULL: it is not suspended.
    ADD COLUMN suspended_at timestamptz;

ALTER TABLE sessions
    -- Noted at most once in five minutes.
    ADD COLUMN last_seen_at timestamptz NOT NULL DEFAULT now(),
    -- What signed in, such as "Firefox on Linux"; may be empty.
    ADD COLUMN client       text        NOT NULL DEFAULT '';
UPDATE sessions SET last_seen_at = created_at;

-- Of people with and without an account. A person without a row has a blank one.
CREATE TABLE profiles (
    user_id            text COLLATE "C" PRIMARY KEY,
    display_name       text,
    bio                text,
    default_visibility text        NOT NULL DEFAULT 'PUBLIC' CHECK (default_visibility IN ('PUBLIC', 'PRIVATE')),
    created_at         timestamptz NOT NULL DEFAULT now()
);

-- Of tokens, codes and links only the SHA-256 is kept.

CREATE TABLE api_tokens (
    id           uuid PRIMARY KEY,
    user_id      text COLLATE "C" NOT NULL REFERENCES users ON DELETE CASCADE,
    name         text        NOT NULL,
    scope        text        NOT NULL CHECK (scope IN ('read', 'write')),
    token_hash   bytea       NOT NULL UNIQUE,
    created_at   timestamptz NOT NULL DEFAULT now(),
    -- NULL: it is good until it is revoked.
    expires_at   timestamptz,
    -- Noted at most once in five minutes.
    last_used_at timestamptz
);
CREATE INDEX api_tokens_user ON api_tokens (user_id);

-- An invite lets one person sign up. It is cleared away some time after it has expired.
CREATE TABLE invites (
    code_hash  bytea PRIMARY KEY,
    created_by text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_by    text COLLATE "C",
    used_at    timestamptz,
    CHECK ((used_by IS NULL) = (used_at IS NULL))
);
CREATE INDEX invites_expiry ON invites (expires_at);

-- One link for each person: a new one replaces it.
CREATE TABLE password_resets (
    token_hash bytea PRIMARY KEY,
    user_id    text COLLATE "C" NOT NULL UNIQUE REFERENCES users ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
);
