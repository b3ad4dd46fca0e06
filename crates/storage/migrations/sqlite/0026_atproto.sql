-- People sign in by the AT Protocol network, and connect their repositories there. Tokens and keys are sealed with APP__SECRET_KEY.

-- Sign-ins under way. Of what comes back with them only the SHA-256 is kept.
CREATE TABLE atproto_sign_ins (
    state_hash BLOB PRIMARY KEY,
    sealed     BLOB    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX atproto_sign_ins_expiry ON atproto_sign_ins (expires_at);

-- Of people with and without an account. A connection that has ended stays, without its session, so that its person is told.
CREATE TABLE atproto_connections (
    user_id      TEXT PRIMARY KEY,
    did          TEXT    NOT NULL UNIQUE,
    -- Only if it was checked.
    handle       TEXT,
    service      TEXT    NOT NULL,
    kind         TEXT    NOT NULL CHECK (kind IN ('oauth', 'app_password')),
    session      BLOB,
    -- Counts the sessions that were stored.
    version      INTEGER NOT NULL,
    -- Why it has ended. NULL: it has not.
    ended        TEXT,
    last_error   TEXT,
    -- Who refreshes the session, and until when nobody else does.
    lease        BLOB,
    lease_until  INTEGER,
    connected_at INTEGER NOT NULL,
    CHECK ((session IS NULL) = (ended IS NOT NULL))
) STRICT, WITHOUT ROWID;
