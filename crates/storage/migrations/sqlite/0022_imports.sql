-- Imports keep titles, dates, folders and tags; they can be tried first, and undone afterwards.

-- Nothing is saved: it only tells what an import would do. A card_id then says that the link is there already.
ALTER TABLE imports ADD COLUMN is_check INTEGER NOT NULL DEFAULT 0;
-- Rows of which something was not taken.
ALTER TABLE imports ADD COLUMN remarked INTEGER NOT NULL DEFAULT 0;
-- When its owner asked for it to be undone, and when it was. Its rows up to undo_behind are.
ALTER TABLE imports ADD COLUMN undo_at INTEGER;
ALTER TABLE imports ADD COLUMN undone_at INTEGER;
ALTER TABLE imports ADD COLUMN undo_behind INTEGER NOT NULL DEFAULT 0;
-- Cards that were removed with that, and those that stayed because somebody had changed them.
ALTER TABLE imports ADD COLUMN undone INTEGER NOT NULL DEFAULT 0;
ALTER TABLE imports ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;
-- When it last got rows.
ALTER TABLE imports ADD COLUMN received_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX imports_undo ON imports (id) WHERE undo_at IS NOT NULL AND undone_at IS NULL;

ALTER TABLE import_rows ADD COLUMN title TEXT;
ALTER TABLE import_rows ADD COLUMN added_at INTEGER;
-- The names of collections, as JSON.
ALTER TABLE import_rows ADD COLUMN collections TEXT NOT NULL DEFAULT '[]';
-- Of those of which the file says it, who can see them: their names with PUBLIC or PRIVATE, as JSON.
ALTER TABLE import_rows ADD COLUMN visibilities TEXT NOT NULL DEFAULT '{}';
-- What of it was not taken.
ALTER TABLE import_rows ADD COLUMN remark TEXT;
-- The first row of the file with the same link, if that is another one.
ALTER TABLE import_rows ADD COLUMN same_as INTEGER;
-- What its card was like when the import was done with it.
ALTER TABLE import_rows ADD COLUMN fingerprint INTEGER;
-- Its card was removed as the import was undone.
ALTER TABLE import_rows ADD COLUMN undone INTEGER NOT NULL DEFAULT 0;
CREATE INDEX import_rows_remarked ON import_rows (import_id, number) WHERE remark IS NOT NULL;
-- Rows that saved what an earlier one had saved: somebody removed it in between.
CREATE INDEX import_rows_again ON import_rows (import_id, same_as) WHERE same_as IS NOT NULL AND fingerprint IS NOT NULL;

-- The import that made it.
ALTER TABLE collections ADD COLUMN import_id BLOB;
CREATE INDEX collections_import ON collections (import_id) WHERE import_id IS NOT NULL;
CREATE INDEX collections_name ON collections (author_id, name) WHERE deleted_at IS NULL;
