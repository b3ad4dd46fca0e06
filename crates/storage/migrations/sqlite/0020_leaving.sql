-- People can delete their accounts. What they kept goes in portions, by events; the account goes last.

-- The account is being deleted. It is suspended as well.
ALTER TABLE users ADD COLUMN deleted_at INTEGER;

-- Whose account is being deleted, and how far that has come. It goes with the account.
CREATE TABLE leaving (
    user_id      TEXT PRIMARY KEY,
    requested_at INTEGER NOT NULL,
    stage        TEXT    NOT NULL CHECK (stage IN ('parting', 'settling', 'told', 'forgetting', 'clearing')),
    -- The stage has looked through the log up to this event.
    behind       BLOB,
    -- In audit_log.
    audit_id     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX blocks_blocked ON blocks (blocked_id);
CREATE INDEX daily_curators_user ON daily_curators (user_id);

-- Whose account was deleted.
CREATE INDEX audit_log_deleted ON audit_log (target) WHERE action = 'user.delete';
