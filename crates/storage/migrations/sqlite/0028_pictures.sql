-- Pages have pictures: a cover and an icon, kept once by their content. Pages that are there get theirs when they are next read.

-- bytes: as this server encoded it, never as it was fetched. kept_at: when it was last stored for a page.
CREATE TABLE pictures (
    hash    BLOB    PRIMARY KEY,
    kind    TEXT    NOT NULL CHECK (kind IN ('jpeg', 'png')),
    width   INTEGER NOT NULL,
    height  INTEGER NOT NULL,
    bytes   BLOB    NOT NULL,
    kept_at INTEGER NOT NULL
) STRICT;

-- Pictures that a page no longer refers to. Others may, and a page may refer to it again: that is looked at after a while. at: NULL until it is
-- first looked at, as only the store knows the time.
CREATE TABLE pictures_dropped (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    hash BLOB    NOT NULL,
    at   INTEGER
) STRICT;
CREATE INDEX pictures_dropped_hash ON pictures_dropped (hash, at);

-- Where the icon is; image is where the cover is.
ALTER TABLE pages ADD COLUMN icon_url TEXT;
-- In pictures.
ALTER TABLE pages ADD COLUMN cover BLOB;
ALTER TABLE pages ADD COLUMN cover_width INTEGER;
ALTER TABLE pages ADD COLUMN cover_height INTEGER;
ALTER TABLE pages ADD COLUMN icon BLOB;
-- When its pictures are to be fetched; NULL: there is nothing to fetch.
ALTER TABLE pages ADD COLUMN pictures_at INTEGER;
-- Who fetches them now; pictures_at is when somebody else may.
ALTER TABLE pages ADD COLUMN pictures_lease BLOB;
ALTER TABLE pages ADD COLUMN pictures_tries INTEGER NOT NULL DEFAULT 0;
-- When they were last fetched, with or without success.
ALTER TABLE pages ADD COLUMN pictured_at INTEGER;
CREATE INDEX pages_pictures ON pages (pictures_at) WHERE pictures_at IS NOT NULL;
CREATE INDEX pages_cover ON pages (cover) WHERE cover IS NOT NULL;
CREATE INDEX pages_icon ON pages (icon) WHERE icon IS NOT NULL;

CREATE TRIGGER drop_cover AFTER DELETE ON pages WHEN old.cover IS NOT NULL
BEGIN
    INSERT INTO pictures_dropped (hash) VALUES (old.cover);
END;
CREATE TRIGGER drop_icon AFTER DELETE ON pages WHEN old.icon IS NOT NULL
BEGIN
    INSERT INTO pictures_dropped (hash) VALUES (old.icon);
END;
CREATE TRIGGER change_cover AFTER UPDATE OF cover ON pages WHEN old.cover IS NOT NULL AND old.cover IS NOT new.cover
BEGIN
    INSERT INTO pictures_dropped (hash) VALUES (old.cover);
END;
CREATE TRIGGER change_icon AFTER UPDATE OF icon ON pages WHEN old.icon IS NOT NULL AND old.icon IS NOT new.icon
BEGIN
    INSERT INTO pictures_dropped (hash) VALUES (old.icon);
END;
