-- Links are told apart by better rules. Cards are looked at again in portions, by events; see docs/URLS.md.

-- Version of the URL rules that produced normalised_url.
ALTER TABLE cards ADD COLUMN identity_version INTEGER NOT NULL DEFAULT 0;
-- The last url_digest before this one: what is derived from the card may still be there.
ALTER TABLE cards ADD COLUMN former_digest BLOB;
-- It empties as cards are looked at.
CREATE INDEX cards_outdated ON cards (id) WHERE identity_version < 1;
