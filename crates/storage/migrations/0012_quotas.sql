-- How many cards somebody made within a day is counted, but for those of imports, which have a quota of their own.
ALTER TABLE cards ADD COLUMN imported boolean NOT NULL DEFAULT false;
CREATE INDEX cards_made ON cards (owner_id, created_at DESC) WHERE NOT imported;
