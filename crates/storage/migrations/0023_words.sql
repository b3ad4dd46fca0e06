-- Words are compared without accents, widths and what leaves no trace in them, and writing without spaces by its pairs of letters.

-- What is looked up for typing errors, and now for parts of words as well: no numbers, no keys of addresses, nothing shorter or longer.
DELETE FROM search_words
WHERE length(word) NOT BETWEEN 3 AND 52 OR length(regexp_replace(word, '[^0-9]', '', 'g')) > 4
   OR 2 * length(regexp_replace(word, '[^0-9]', '', 'g')) >= length(word);
-- Of everybody's words. Most of the others are one person's own, and only that person looks among them. Builds from before look words up in
-- search_words_trigrams, so a later release drops that.
CREATE INDEX search_words_public ON search_words USING gin (word gin_trgm_ops) WITH (gin_pending_list_limit = 64) WHERE owner_id = '';

-- Of migration 21: built there, readers of cards would wait for it as well. It empties as cards are looked at.
CREATE INDEX cards_outdated ON cards (id) WHERE identity_version < 1;

-- People and collections are found by their names. NULL: to be made, in the background.
ALTER TABLE users ADD COLUMN words tsvector;
ALTER TABLE collections ADD COLUMN words tsvector;
CREATE INDEX users_words ON users USING gin (words);
CREATE INDEX users_wordless ON users (id) WHERE words IS NULL;
CREATE INDEX collections_words ON collections USING gin (words);
CREATE INDEX collections_wordless ON collections (id) WHERE words IS NULL;

-- Changing a name clears its words, also when an older release changes it.
CREATE FUNCTION drop_words_of_collection() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.words := NULL;
    RETURN NEW;
END
$$;
CREATE TRIGGER drop_words BEFORE UPDATE OF name, description ON collections FOR EACH ROW
WHEN (NEW.name IS DISTINCT FROM OLD.name OR NEW.description IS DISTINCT FROM OLD.description)
EXECUTE FUNCTION drop_words_of_collection();

CREATE FUNCTION drop_words_of_person() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE users SET words = NULL WHERE id = NEW.user_id;
    RETURN NEW;
END
$$;
-- Before the profile is locked: deleting an account locks the account first, too.
CREATE TRIGGER drop_words BEFORE INSERT OR UPDATE OF display_name ON profiles FOR EACH ROW
EXECUTE FUNCTION drop_words_of_person();

-- Last, as searches wait from here on; its index is built by migration 24. The rules by which a card was indexed. A build from before this
-- column indexes by the first ones and writes none. Those are indexed again in the background, while searches go on.
ALTER TABLE search_documents ADD COLUMN version smallint NOT NULL DEFAULT 1;
