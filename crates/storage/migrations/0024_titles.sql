-- A card can have a title of its own, which beats that of its page. Columns and tables are added, no row is written.

-- What is left of the documents of migration 23 that are to be indexed again, in the end nothing. New rules need an index like it.
CREATE INDEX search_documents_old ON search_documents (card_id) WHERE version < 2;

-- What everybody finds a card by that has one: the words of its page, and those of the title with weight A. There is a row only of a card
-- that everybody sees, and only where the title says something that the page's does not. Of other cards, own_words has the title.
CREATE TABLE search_titles (
    card_id    uuid PRIMARY KEY,
    owner_id   text COLLATE "C" NOT NULL,
    url_digest bytea    NOT NULL,
    words      tsvector NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX search_titles_words ON search_titles USING gin (words);
CREATE INDEX search_titles_url ON search_titles (url_digest);

-- How long its server asks to be left alone; NULL: it does not.
ALTER TABLE pages ADD COLUMN not_before timestamptz;

-- Last, as saves wait from here on. NULL: it is called what its page is called.
ALTER TABLE cards ADD COLUMN title text;
