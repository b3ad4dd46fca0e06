-- A card can have a title of its own, which beats that of its page. NULL: it is called what its page is called.
ALTER TABLE cards ADD COLUMN title TEXT;

-- How long a page's server asks to be left alone; NULL: it does not.
ALTER TABLE pages ADD COLUMN not_before INTEGER;

-- What everybody finds a card by that has one: its page, and in `title` what its owner calls it before what its page does. There is a row only
-- of a card that everybody sees, and only where the title says something that the page's does not. Of other cards, search_notes has the title.
-- rowid is search_documents.number.
CREATE VIRTUAL TABLE search_titles USING fts5 (
    scope, title, names, description, url, tokenize = 'ascii', prefix = '1 2 3', columnsize = 0
);
