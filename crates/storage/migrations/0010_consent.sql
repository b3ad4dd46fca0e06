-- People are invited to a collection, and collaborate once they accept. Those in collaborators count as having accepted. A build from before
-- this table neither shows invitations nor grants anything by them.
CREATE TABLE invitations (
    collection_id uuid        NOT NULL REFERENCES collections ON DELETE CASCADE,
    user_id       text COLLATE "C" NOT NULL,
    invited_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (collection_id, user_id)
);
CREATE INDEX invitations_user ON invitations (user_id, invited_at DESC, collection_id DESC);

-- user_id does not accept invitations from blocked_id.
CREATE TABLE blocks (
    user_id    text COLLATE "C" NOT NULL,
    blocked_id text COLLATE "C" NOT NULL,
    blocked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, blocked_id)
);
CREATE INDEX blocks_user ON blocks (user_id, blocked_at DESC, blocked_id DESC);

-- An author collaborates anyway.
DELETE FROM collaborators x USING collections c WHERE c.id = x.collection_id AND c.author_id = x.user_id;
