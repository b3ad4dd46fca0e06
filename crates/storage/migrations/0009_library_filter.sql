-- A library is filtered by parts of words: of the URL, of the page's title and of the note.
CREATE INDEX cards_url_trigrams ON cards USING gin (lower(url) gin_trgm_ops) WHERE library_link IS NOT NULL;
CREATE INDEX pages_title_trigrams ON pages USING gin (lower(title) gin_trgm_ops);
CREATE INDEX notes_text_trigrams ON notes USING gin (lower(text) gin_trgm_ops);
