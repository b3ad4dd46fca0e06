-- Records of the open network in people's own repositories: who has one, what is published there, and what is still owed. Tables, functions
-- and triggers are added; no row is written.

CREATE TABLE record_people (
    person_id    text COLLATE "C" PRIMARY KEY,
    -- Whose repository it is. NULL: they are not connected any more.
    did          text COLLATE "C",
    -- What is public is still to be compared with what is published.
    is_new       boolean     NOT NULL DEFAULT true,
    state        text        NOT NULL DEFAULT 'ok' CHECK (state IN ('ok', 'limited', 'failing', 'ended')),
    reason       text,
    -- In a row.
    failures     integer     NOT NULL DEFAULT 0,
    -- Since when nothing could be published. NULL: it could.
    failing_since timestamptz,
    paused_until timestamptz,
    -- When something is to be done. NULL: nothing is.
    due_at       timestamptz,
    -- The one who does it now.
    lease        uuid,
    leased_until timestamptz,
    -- When their last turn began: those who waited longest come first.
    turned_at    timestamptz NOT NULL DEFAULT to_timestamp(0),
    -- What was spent of the budgets of an hour and a day, and since when these run.
    hour_at      timestamptz,
    hour_points  integer     NOT NULL DEFAULT 0,
    day_at       timestamptz,
    day_points   integer     NOT NULL DEFAULT 0,
    connected_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);
CREATE INDEX record_people_due ON record_people (turned_at, person_id) WHERE due_at IS NOT NULL AND did IS NOT NULL;
CREATE INDEX record_people_failing ON record_people (state, person_id) WHERE state IN ('failing', 'ended') AND did IS NOT NULL;

-- kind: 0 a card, 1 a collection, 2 a card in a collection, 3 that the collection's author took somebody's card out of it.
CREATE TABLE records (
    person_id     text COLLATE "C" NOT NULL,
    kind          smallint    NOT NULL CHECK (kind BETWEEN 0 AND 3),
    -- The card, the collection, or the stay in a collection.
    subject_id    uuid        NOT NULL,
    did           text COLLATE "C" NOT NULL,
    nsid          text COLLATE "C" NOT NULL,
    rkey          text COLLATE "C" NOT NULL,
    -- NULL: it was not confirmed yet.
    cid           text,
    digest        bytea,
    -- It was sent, and the answer is not known.
    in_doubt      boolean     NOT NULL DEFAULT true,
    -- Of a stay.
    card_id       uuid,
    collection_id uuid,
    published_at  timestamptz,
    PRIMARY KEY (person_id, kind, subject_id)
);
CREATE UNIQUE INDEX records_place ON records (person_id, nsid, rkey);
CREATE INDEX records_subject ON records (subject_id, kind);
CREATE INDEX records_collection ON records (collection_id) WHERE collection_id IS NOT NULL;

-- What has to be looked at, and published if it differs.
CREATE TABLE record_owed (
    person_id  text COLLATE "C" NOT NULL,
    kind       smallint    NOT NULL CHECK (kind BETWEEN 0 AND 3),
    subject_id uuid        NOT NULL,
    -- Another one whenever it is owed again.
    stamp      bigint      NOT NULL,
    not_before timestamptz NOT NULL,
    PRIMARY KEY (person_id, kind, subject_id)
);

-- Stays that the author of the collection ended and whose records are in somebody else's repository.
CREATE TABLE record_removals (
    link_id       uuid PRIMARY KEY,
    owner_id      text COLLATE "C" NOT NULL,
    adder_id      text COLLATE "C" NOT NULL,
    collection_id uuid        NOT NULL,
    link_uri      text        NOT NULL,
    link_cid      text        NOT NULL,
    removed_at    timestamptz NOT NULL
);
CREATE INDEX record_removals_owner ON record_removals (owner_id);
CREATE INDEX record_removals_adder ON record_removals (adder_id);
CREATE INDEX record_removals_collection ON record_removals (collection_id);

-- People are locked in their order, before anything is owed: so nobody who publishes misses what is being committed.
CREATE FUNCTION owe_records(people text[], kinds smallint[], subjects uuid[], due timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM record_people p WHERE p.person_id = ANY(people) AND p.did IS NOT NULL ORDER BY p.person_id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    INSERT INTO record_owed AS o (person_id, kind, subject_id, stamp, not_before)
    SELECT DISTINCT ON (p.person_id, n.kind, n.subject_id) p.person_id, n.kind, n.subject_id, (random() * 9e15)::bigint, due
    FROM unnest(people, kinds, subjects) AS n (person_id, kind, subject_id)
    JOIN record_people p ON p.person_id = n.person_id AND p.did IS NOT NULL
    ORDER BY p.person_id, n.kind, n.subject_id
    ON CONFLICT (person_id, kind, subject_id)
    DO UPDATE SET stamp = excluded.stamp, not_before = least(o.not_before, excluded.not_before);
    UPDATE record_people p SET due_at = least(p.due_at, due) WHERE p.person_id = ANY(people) AND p.did IS NOT NULL;
END
$$;

-- The stays in these collections and of these cards, whoever has their records.
CREATE FUNCTION owe_links_of(holder text, collections uuid[], cards uuid[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    people text[];
    links  uuid[];
BEGIN
    SELECT array_agg(q.person_id), array_agg(q.link_id) INTO people, links FROM (
        SELECT c.owner_id AS person_id, l.id AS link_id
        FROM links l JOIN cards c ON c.id = l.card_id JOIN record_people p ON p.person_id = c.owner_id AND p.did IS NOT NULL
        WHERE l.collection_id = ANY($2)
        UNION
        SELECT c.owner_id, l.id
        FROM links l JOIN cards c ON c.id = l.card_id JOIN record_people p ON p.person_id = c.owner_id AND p.did IS NOT NULL
        WHERE l.card_id = ANY($3)
        UNION
        SELECT r.person_id, r.subject_id FROM records r WHERE r.collection_id = ANY($2) AND r.kind = 2
    ) q;
    PERFORM 1 FROM record_people p WHERE p.person_id = ANY(people || holder) ORDER BY p.person_id FOR UPDATE;
    IF people IS NOT NULL THEN
        PERFORM owe_records(people, array_fill(2::smallint, ARRAY[cardinality(links)]), links, to_timestamp(0));
    END IF;
END
$$;

-- What has no event of its own. Collections: their stays, too, where others see them no more, or see them now.
CREATE FUNCTION owe_collection() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.private IS DISTINCT FROM OLD.private OR NEW.deleted_at IS DISTINCT FROM OLD.deleted_at THEN
        PERFORM owe_links_of(NEW.author_id, ARRAY[NEW.id], ARRAY[]::uuid[]);
        PERFORM owe_records(array_agg(r.owner_id), array_agg(3::smallint), array_agg(r.link_id), to_timestamp(0))
        FROM record_removals r WHERE r.collection_id = NEW.id;
    END IF;
    PERFORM owe_records(ARRAY[NEW.author_id], ARRAY[1::smallint], ARRAY[NEW.id], to_timestamp(0));
    RETURN NULL;
END
$$;
CREATE TRIGGER owe_record AFTER UPDATE OF name, description, access, private, deleted_at ON collections FOR EACH ROW
WHEN ((NEW.name, NEW.description, NEW.access, NEW.private, NEW.deleted_at)
      IS DISTINCT FROM (OLD.name, OLD.description, OLD.access, OLD.private, OLD.deleted_at))
EXECUTE FUNCTION owe_collection();

CREATE FUNCTION owe_collaboration() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed uuid := CASE TG_OP WHEN 'DELETE' THEN OLD.collection_id ELSE NEW.collection_id END;
BEGIN
    PERFORM owe_records(ARRAY[c.author_id], ARRAY[1::smallint], ARRAY[c.id], to_timestamp(0)) FROM collections c WHERE c.id = changed;
    RETURN NULL;
END
$$;
CREATE TRIGGER owe_record AFTER INSERT OR DELETE ON collaborators FOR EACH ROW EXECUTE FUNCTION owe_collaboration();

-- Pages that were fetched. They are given some time to settle.
CREATE FUNCTION owe_page() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM owe_records(array_agg(c.owner_id), array_agg(0::smallint), array_agg(c.id), coalesce(NEW.fetched_at, now()) + interval '20 s')
    FROM cards c JOIN record_people p ON p.person_id = c.owner_id AND p.did IS NOT NULL
    WHERE c.url_digest = NEW.url_digest AND c.library_link IS NOT NULL AND NOT c.private AND NOT c.hidden;
    RETURN NULL;
END
$$;
CREATE TRIGGER owe_record AFTER UPDATE OF title, description, image, site_name, author, kind ON pages FOR EACH ROW
WHEN (NEW.keeper IS NULL AND (NEW.title, NEW.description, NEW.image, NEW.site_name, NEW.author, NEW.kind)
      IS DISTINCT FROM (OLD.title, OLD.description, OLD.image, OLD.site_name, OLD.author, OLD.kind))
EXECUTE FUNCTION owe_page();
