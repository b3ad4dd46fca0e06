-- People can delete their accounts. What they kept goes in portions, by events; the account goes last.

ALTER TABLE users
    -- The account is being deleted. It is suspended as well, so that a build from before this column lets nobody in.
    ADD COLUMN deleted_at timestamptz;

-- Whose account is being deleted, and how far that has come. It goes with the account.
CREATE TABLE leaving (
    user_id      text COLLATE "C" PRIMARY KEY,
    requested_at timestamptz NOT NULL DEFAULT now(),
    stage        text        NOT NULL DEFAULT 'parting'
                 CHECK (stage IN ('parting', 'settling', 'told', 'forgetting', 'clearing')),
    -- The stage has looked through the log up to this event.
    behind       uuid,
    -- In audit_log.
    audit_id     bigint      NOT NULL
);

CREATE INDEX daily_curators_user ON daily_curators (user_id);
CREATE INDEX blocks_blocked ON blocks (blocked_id);
CREATE INDEX search_words_owner ON search_words (owner_id) WHERE owner_id <> '';

-- Undoes the whole statement of somebody who is leaving.
CREATE FUNCTION expect_nobody_leaves(leaves boolean) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF leaves THEN
        RAISE EXCEPTION 'the account is being deleted' USING ERRCODE = 'LEAVE';
    END IF;
    RETURN true;
END
$$;

-- Activities can be deleted now, the newest ones included, and no position of the live feed may be given out twice. This is the highest
-- that a deleted activity had. It begins where the function that is replaced has come to.
CREATE TABLE stream_position (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint NOT NULL
);
INSERT INTO stream_position (position) SELECT next_position()::text::bigint;

CREATE OR REPLACE FUNCTION next_position() RETURNS xid8 LANGUAGE plpgsql AS $$
DECLARE
    last bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(20771, 3);
    -- A statement of its own sees what was committed before the lock was free. It is a single one, so that it sees a deleted activity or
    -- the position that was kept of it.
    SELECT greatest((SELECT a.epoch::text::bigint FROM activities a ORDER BY a.epoch DESC LIMIT 1), s.position) INTO last
    FROM stream_position s;
    RETURN (last + 1)::text::xid8;
END
$$;

-- Whose account was deleted.
CREATE INDEX audit_log_deleted ON audit_log (target) WHERE action = 'user.delete';
