-- Pages have pictures: a cover and an icon, kept once by their content. Columns and tables are added, no row is written; pages that are there get
-- theirs when they are next read.

-- bytes: as this server encoded it, never as it was fetched. kept_at: when it was last stored for a page.
CREATE TABLE pictures (
    hash    bytea       PRIMARY KEY,
    kind    text        NOT NULL CHECK (kind IN ('jpeg', 'png')),
    width   integer     NOT NULL,
    height  integer     NOT NULL,
    bytes   bytea       NOT NULL,
    kept_at timestamptz NOT NULL DEFAULT now()
);
-- Packed already.
ALTER TABLE pictures ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- Pictures that a page no longer refers to. Others may, and a page may refer to it again: that is looked at after a while.
CREATE TABLE pictures_dropped (
    id   bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash bytea       NOT NULL,
    at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX pictures_dropped_hash ON pictures_dropped (hash, at);

ALTER TABLE pages
    -- Where the icon is; image is where the cover is.
    ADD COLUMN icon_url       text,
    -- In pictures.
    ADD COLUMN cover          bytea,
    ADD COLUMN cover_width    integer,
    ADD COLUMN cover_height   integer,
    ADD COLUMN icon           bytea,
    -- When its pictures are to be fetched; NULL: there is nothing to fetch.
    ADD COLUMN pictures_at    timestamptz,
    -- Who fetches them now; pictures_at is when somebody else may.
    ADD COLUMN pictures_lease uuid,
    ADD COLUMN pictures_tries integer NOT NULL DEFAULT 0,
    -- When they were last fetched, with or without success.
    ADD COLUMN pictured_at    timestamptz;
CREATE INDEX pages_pictures ON pages (pictures_at) WHERE pictures_at IS NOT NULL;
CREATE INDEX pages_cover ON pages (cover) WHERE cover IS NOT NULL;
CREATE INDEX pages_icon ON pages (icon) WHERE icon IS NOT NULL;

-- Whatever drops a page, an older build included. Only rows are added, so nobody waits for anybody else.
CREATE FUNCTION drop_pictures_of_page() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.cover IS NOT NULL AND (TG_OP = 'DELETE' OR OLD.cover IS DISTINCT FROM NEW.cover) THEN
        INSERT INTO pictures_dropped (hash) VALUES (OLD.cover);
    END IF;
    IF OLD.icon IS NOT NULL AND (TG_OP = 'DELETE' OR OLD.icon IS DISTINCT FROM NEW.icon) THEN
        INSERT INTO pictures_dropped (hash) VALUES (OLD.icon);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER drop_pictures AFTER DELETE ON pages FOR EACH ROW
WHEN (OLD.cover IS NOT NULL OR OLD.icon IS NOT NULL)
EXECUTE FUNCTION drop_pictures_of_page();
CREATE TRIGGER change_pictures AFTER UPDATE OF cover, icon ON pages FOR EACH ROW
WHEN (OLD.cover IS DISTINCT FROM NEW.cover OR OLD.icon IS DISTINCT FROM NEW.icon)
EXECUTE FUNCTION drop_pictures_of_page();
