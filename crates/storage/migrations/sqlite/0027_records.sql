-- Records of the open network in people's own repositories: who has one, what is published there, and what is still owed.

CREATE TABLE record_people (
    person_id    TEXT PRIMARY KEY,
    -- Whose repository it is. NULL: they are not connected any more.
    did          TEXT,
    -- What is public is still to be compared with what is published.
    is_new       INTEGER NOT NULL DEFAULT 1,
    state        TEXT    NOT NULL DEFAULT 'ok' CHECK (state IN ('ok', 'limited', 'failing', 'ended')),
    reason       TEXT,
    -- In a row.
    failures     INTEGER NOT NULL DEFAULT 0,
    -- Since when nothing could be published. NULL: it could.
    failing_since INTEGER,
    paused_until INTEGER,
    -- When something is to be done. NULL: nothing is.
    due_at       INTEGER,
    -- The one who does it now.
    lease        BLOB,
    leased_until INTEGER,
    -- When their last turn began: those who waited longest come first.
    turned_at    INTEGER NOT NULL DEFAULT 0,
    -- What was spent of the budgets of an hour and a day, and since when these run.
    hour_at      INTEGER,
    hour_points  INTEGER NOT NULL DEFAULT 0,
    day_at       INTEGER,
    day_points   INTEGER NOT NULL DEFAULT 0,
    connected_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX record_people_due ON record_people (turned_at, person_id) WHERE due_at IS NOT NULL AND did IS NOT NULL;
CREATE INDEX record_people_failing ON record_people (state, person_id) WHERE state IN ('failing', 'ended') AND did IS NOT NULL;

-- kind: 0 a card, 1 a collection, 2 a card in a collection, 3 that the collection's author took somebody's card out of it.
CREATE TABLE records (
    person_id     TEXT    NOT NULL,
    kind          INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 3),
    -- The card, the collection, or the stay in a collection.
    subject_id    BLOB    NOT NULL,
    did           TEXT    NOT NULL,
    nsid          TEXT    NOT NULL,
    rkey          TEXT    NOT NULL,
    -- NULL: it was not confirmed yet.
    cid           TEXT,
    digest        BLOB,
    -- It was sent, and the answer is not known.
    in_doubt      INTEGER NOT NULL DEFAULT 1,
    -- Of a stay.
    card_id       BLOB,
    collection_id BLOB,
    published_at  INTEGER,
    PRIMARY KEY (person_id, kind, subject_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX records_place ON records (person_id, nsid, rkey);
CREATE INDEX records_subject ON records (subject_id, kind);
CREATE INDEX records_collection ON records (collection_id) WHERE collection_id IS NOT NULL;

-- What has to be looked at, and published if it differs.
CREATE TABLE record_owed (
    person_id  TEXT    NOT NULL,
    kind       INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 3),
    subject_id BLOB    NOT NULL,
    -- Another one whenever it is owed again.
    stamp      INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    PRIMARY KEY (person_id, kind, subject_id)
) STRICT, WITHOUT ROWID;

-- Stays that the author of the collection ended and whose records are in somebody else's repository.
CREATE TABLE record_removals (
    link_id       BLOB PRIMARY KEY,
    owner_id      TEXT    NOT NULL,
    adder_id      TEXT    NOT NULL,
    collection_id BLOB    NOT NULL,
    link_uri      TEXT    NOT NULL,
    link_cid      TEXT    NOT NULL,
    removed_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX record_removals_owner ON record_removals (owner_id);
CREATE INDEX record_removals_adder ON record_removals (adder_id);
CREATE INDEX record_removals_collection ON record_removals (collection_id);

CREATE TRIGGER record_owed_new AFTER INSERT ON record_owed
BEGIN
    UPDATE record_people SET due_at = min(coalesce(due_at, NEW.not_before), NEW.not_before) WHERE person_id = NEW.person_id;
END;
CREATE TRIGGER record_owed_again AFTER UPDATE OF stamp ON record_owed
BEGIN
    UPDATE record_people SET due_at = min(coalesce(due_at, NEW.not_before), NEW.not_before) WHERE person_id = NEW.person_id;
END;

-- What has no event of its own. Collections: their stays, too, where others see them no more, or see them now.
CREATE TRIGGER collections_owe_record AFTER UPDATE OF name, description, access, private, deleted_at ON collections
WHEN NEW.name <> OLD.name OR NEW.description <> OLD.description OR NEW.access <> OLD.access OR NEW.private <> OLD.private
  OR NEW.deleted_at IS NOT OLD.deleted_at
BEGIN
    INSERT INTO record_owed (person_id, kind, subject_id, stamp, not_before)
    SELECT person_id, 1, NEW.id, random(), 0 FROM record_people WHERE person_id = NEW.author_id AND did IS NOT NULL
    ON CONFLICT (person_id, kind, subject_id) DO UPDATE SET stamp = excluded.stamp, not_before = 0;
END;
CREATE TRIGGER collections_owe_links AFTER UPDATE OF private, deleted_at ON collections
WHEN NEW.private <> OLD.private OR NEW.deleted_at IS NOT OLD.deleted_at
BEGIN
    INSERT INTO record_owed (person_id, kind, subject_id, stamp, not_before)
    SELECT p.person_id, 2, l.id, random(), 0
    FROM links l CROSS JOIN cards c ON c.id = l.card_id CROSS JOIN record_people p ON p.person_id = c.owner_id
    WHERE l.collection_id = NEW.id AND p.did IS NOT NULL
    UNION
    SELECT p.person_id, 2, r.subject_id, random(), 0
    FROM records r CROSS JOIN record_people p ON p.person_id = r.person_id
    WHERE r.collection_id = NEW.id AND r.kind = 2 AND p.did IS NOT NULL
    ON CONFLICT (person_id, kind, subject_id) DO UPDATE SET stamp = excluded.stamp, not_before = 0;
    INSERT INTO record_owed (person_id, kind, subject_id, stamp, not_before)
    SELECT p.person_id, 3, r.link_id, random(), 0
    FROM record_removals r CROSS JOIN record_people p ON p.person_id = r.owner_id
    WHERE r.collection_id = NEW.id AND p.did IS NOT NULL
    ON CONFLICT (person_id, kind, subject_id) DO UPDATE SET stamp = excluded.stamp, not_before = 0;
END;

CREATE TRIGGER collaborators_come_owe_record AFTER INSERT ON collaborators
BEGIN
    INSERT INTO record_owed (person_id, kind, subject_id, stamp, not_before)
    SELECT p.person_id, 1, c.id, random(), 0
    FROM collections c CROSS JOIN record_people p ON p.person_id = c.author_id
    WHERE c.id = NEW.collection_id AND p.did IS NOT NULL
    ON CONFLICT (person_id, kind, subject_id) DO UPDATE SET stamp = excluded.stamp, not_before = 0;
END;
CREATE TRIGGER collaborators_go_owe_record AFTER DELETE ON collaborators
BEGIN
    INSERT INTO record_owed (person_id, kind, subject_id, stamp, not_before)
    SELECT p.person_id, 1, c.id, random(), 0
    FROM collections c CROSS JOIN record_people p ON p.person_id = c.author_id
    WHERE c.id = OLD.collection_id AND p.did IS NOT NULL
    ON CONFLICT (person_id, kind, subject_id) DO UPDATE SET stamp = excluded.stamp, not_before = 0;
END;

-- Pages that were fetched. They are given some time to settle.
CREATE TRIGGER pages_owe_records AFTER UPDATE OF title, description, image, site_name, author, kind ON pages
WHEN NEW.keeper IS NULL AND (NEW.title IS NOT OLD.title OR NEW.description IS NOT OLD.description OR NEW.image IS NOT OLD.image
  OR NEW.site_name IS NOT OLD.site_name OR NEW.author IS NOT OLD.author OR NEW.kind IS NOT OLD.kind)
BEGIN
    INSERT INTO record_owed (person_id, kind, subject_id, stamp, not_before)
    SELECT p.person_id, 0, c.id, random(), coalesce(NEW.fetched_at, 0) + 20000000
    FROM cards c CROSS JOIN record_people p ON p.person_id = c.owner_id
    WHERE c.url_digest = NEW.url_digest AND c.library_link IS NOT NULL AND NOT c.private AND NOT c.hidden AND p.did IS NOT NULL
    ON CONFLICT (person_id, kind, subject_id)
    DO UPDATE SET stamp = excluded.stamp, not_before = min(record_owed.not_before, excluded.not_before);
END;
