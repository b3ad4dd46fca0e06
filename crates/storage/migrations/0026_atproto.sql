-- People sign in by the AT Protocol network, and connect their repositories there. Tokens and keys are sealed with APP__SECRET_KEY.

-- Sign-ins under way. Of what comes back with them only the SHA-256 is kept.
CREATE TABLE atproto_sign_ins (
    state_hash bytea PRIMARY KEY,
    sealed     bytea       NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX atproto_sign_ins_expiry ON atproto_sign_ins (expires_at);

-- Of people with and without an account. A connection that has ended stays, without its session, so that its person is told.
CREATE TABLE atproto_connections (
    user_id      text COLLATE "C" PRIMARY KEY,
    did          text COLLATE "C" NOT NULL UNIQUE,
    -- Only if it was checked.
    handle       text,
    service      text        NOT NULL,
    kind         text        NOT NULL CHECK (kind IN ('oauth', 'app_password')),
    session      bytea,
    -- Counts the sessions that were stored.
    version      bigint      NOT NULL DEFAULT 1,
    -- Why it has ended. NULL: it has not.
    ended        text,
    last_error   text,
    -- Who refreshes the session, and until when nobody else does.
    lease        uuid,
    lease_until  timestamptz,
    connected_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((session IS NULL) = (ended IS NOT NULL))
);
