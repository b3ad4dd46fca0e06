-- Cards and collections can be private, and administrators can hide cards. What is there stays public.

-- private: as its owner wants it. hidden: by an administrator. It is seen by others if it is neither.
ALTER TABLE cards ADD COLUMN private INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cards ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0;
DROP INDEX cards_kept;
CREATE INDEX cards_kept ON cards (url_digest, id, library_at, library_link, private, hidden) WHERE library_link IS NOT NULL;

-- It exists for its author and collaborators only.
ALTER TABLE collections ADD COLUMN private INTEGER NOT NULL DEFAULT 0;

-- Others do not see the card. When a card becomes visible or hidden, its links get new ids.
ALTER TABLE links ADD COLUMN private INTEGER NOT NULL DEFAULT 0;
CREATE INDEX links_private ON links (collection_id, card_id) WHERE private;

-- The row's card is saved as private.
ALTER TABLE import_rows ADD COLUMN private INTEGER NOT NULL DEFAULT 0;

-- The owner of a page that was fetched for a card others cannot see; url_digest is then the digest followed by their id. NULL: shared by
-- everyone.
ALTER TABLE pages ADD COLUMN keeper TEXT;

-- Others do not see the card. search_notes holds a row for it, with a note or without, and search_words what only its owner may find.
-- pages.cards counts the cards that everybody sees, and pages.place is NULL where there are none.
ALTER TABLE search_documents ADD COLUMN private INTEGER NOT NULL DEFAULT 0;
DROP INDEX search_documents_page;
CREATE INDEX search_documents_page ON search_documents (page, card_id, private);
