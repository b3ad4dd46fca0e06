-- Links are told apart by better rules. Cards are looked at again in portions, by events, while processes run; see docs/URLS.md. The build
-- before goes on with its own rules: what it saves meanwhile is looked at as well.

ALTER TABLE cards
    -- Version of the URL rules that produced normalised_url. The index of outdated ones is built by migration 23.
    ADD COLUMN identity_version smallint NOT NULL DEFAULT 0,
    -- The last url_digest before this one: what is derived from the card may still be there.
    ADD COLUMN former_digest    bytea;
