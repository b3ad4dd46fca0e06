-- Imports keep titles, dates, folders and tags; they can be tried first, and undone afterwards. Columns are added; no row is written.

ALTER TABLE imports
    -- Nothing is saved: it only tells what an import would do. A card_id then says that the link is there already.
    ADD COLUMN is_check    boolean NOT NULL DEFAULT false,
    -- Rows of which something was not taken.
    ADD COLUMN remarked    integer NOT NULL DEFAULT 0,
    -- When its owner asked for it to be undone, and when it was. Its rows up to undo_behind are.
    ADD COLUMN undo_at     timestamptz,
    ADD COLUMN undone_at   timestamptz,
    ADD COLUMN undo_behind integer NOT NULL DEFAULT 0,
    -- Cards that were removed with that, and those that stayed because somebody had changed them.
    ADD COLUMN undone      integer NOT NULL DEFAULT 0,
    ADD COLUMN kept        integer NOT NULL DEFAULT 0,
    -- When it last got rows.
    ADD COLUMN received_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX imports_undo ON imports (id) WHERE undo_at IS NOT NULL AND undone_at IS NULL;

ALTER TABLE import_rows
    ADD COLUMN title       text,
    ADD COLUMN added_at    timestamptz,
    -- The names of collections.
    ADD COLUMN collections jsonb   NOT NULL DEFAULT '[]',
    -- Of those of which the file says it, who can see them: their names with PUBLIC or PRIVATE.
    ADD COLUMN visibilities jsonb  NOT NULL DEFAULT '{}',
    -- What of it was not taken.
    ADD COLUMN remark      text,
    -- The first row of the file with the same link, if that is another one.
    ADD COLUMN same_as     integer,
    -- What its card was like when the import was done with it.
    ADD COLUMN fingerprint bigint,
    -- Its card was removed as the import was undone.
    ADD COLUMN undone      boolean NOT NULL DEFAULT false;
CREATE INDEX import_rows_remarked ON import_rows (import_id, number) WHERE remark IS NOT NULL;
-- Rows that saved what an earlier one had saved: somebody removed it in between.
CREATE INDEX import_rows_again ON import_rows (import_id, same_as) WHERE same_as IS NOT NULL AND fingerprint IS NOT NULL;

-- Last, as saves wait from here on. The import that made it.
ALTER TABLE collections ADD COLUMN import_id uuid;
CREATE INDEX collections_import ON collections (import_id) WHERE import_id IS NOT NULL;
CREATE INDEX collections_name ON collections (author_id, name) WHERE deleted_at IS NULL;
