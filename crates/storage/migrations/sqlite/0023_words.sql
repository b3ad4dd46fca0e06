-- Words are compared without accents, widths and what leaves no trace in them, and writing without spaces by its pairs of letters.

-- The rules by which a card was indexed. Those of before are indexed anew in the background, while searches go on; the index holds what is
-- left of them, in the end nothing. New rules need an index like it.
ALTER TABLE search_documents ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
CREATE INDEX search_documents_old ON search_documents (card_id) WHERE version < 2;

-- Of each word that everybody may find what is left when its first letters are cut off, so that it is found by what is inside of it.
CREATE TABLE search_word_tails (
    tail TEXT NOT NULL,
    word TEXT NOT NULL,
    PRIMARY KEY (tail, word)
) STRICT, WITHOUT ROWID;
INSERT INTO search_word_tails (tail, word)
WITH RECURSIVE cut (word, place) AS (
    SELECT word, 2 FROM search_words WHERE owner_id = '' AND length(word) > 3
    UNION ALL
    SELECT word, place + 1 FROM cut WHERE place + 3 <= length(word)
)
SELECT DISTINCT substr(word, place), word FROM cut;

-- People and collections are found by their names. NULL: to be made, in the background. The words of the names are a line, those of what else
-- is said another.
ALTER TABLE users ADD COLUMN words TEXT;
ALTER TABLE collections ADD COLUMN words TEXT;
CREATE INDEX users_wordless ON users (id) WHERE words IS NULL;
CREATE INDEX collections_wordless ON collections (id) WHERE words IS NULL;

-- Changing a name drops the words made of the old one.
CREATE TRIGGER collections_drop_words AFTER UPDATE OF name, description ON collections
WHEN NEW.name <> OLD.name OR NEW.description <> OLD.description
BEGIN
    UPDATE collections SET words = NULL WHERE id = NEW.id;
END;
CREATE TRIGGER profiles_new_drop_words AFTER INSERT ON profiles
BEGIN
    UPDATE users SET words = NULL WHERE id = NEW.user_id;
END;
CREATE TRIGGER profiles_drop_words AFTER UPDATE OF display_name ON profiles
BEGIN
    UPDATE users SET words = NULL WHERE id = NEW.user_id;
END;
