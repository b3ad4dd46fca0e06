-- Cards and collections can be private, and administrators can hide cards. What is there stays public: columns are added, no row is
-- written. A build from before these columns shows everything; it runs until the new one has taken over.

-- Others do not see the card, as far as it is indexed. Its own_words then hold all that it is found by.
ALTER TABLE search_documents ADD COLUMN private boolean NOT NULL DEFAULT false;
CREATE INDEX search_documents_private ON search_documents (url_digest) WHERE private;

-- The owner of a page that was fetched for a card others cannot see; url_digest is then the digest followed by their id. NULL: shared by
-- everyone, like every page made by an older build.
ALTER TABLE pages ADD COLUMN keeper text COLLATE "C";

CREATE OR REPLACE FUNCTION count_trends_anew() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM trend_days;
    DELETE FROM trends;
    UPDATE trend_windows SET from_day = (now() AT TIME ZONE 'UTC')::date - days;
    INSERT INTO trend_days (subject, key, day, saves)
    SELECT 'url', c.url_digest, (c.library_at AT TIME ZONE 'UTC')::date, count(*)
    FROM cards c WHERE c.library_link IS NOT NULL AND NOT c.private AND NOT c.hidden GROUP BY 2, 3;
    INSERT INTO trends (subject, key, total, d7, d30, d90, d366, domain, kind)
    SELECT 'url', n.key, n.total, n.d7, n.d30, n.d90, n.d366, url_domain(k.normalised_url), g.kind
    FROM (
        SELECT d.key, sum(d.saves) AS total,
               coalesce(sum(d.saves) FILTER (WHERE d.day > today.day - 7), 0) AS d7,
               coalesce(sum(d.saves) FILTER (WHERE d.day > today.day - 30), 0) AS d30,
               coalesce(sum(d.saves) FILTER (WHERE d.day > today.day - 90), 0) AS d90,
               coalesce(sum(d.saves) FILTER (WHERE d.day > today.day - 366), 0) AS d366
        FROM trend_days d, (SELECT (now() AT TIME ZONE 'UTC')::date AS day) AS today GROUP BY d.key
    ) n
    JOIN (SELECT DISTINCT ON (url_digest) url_digest, normalised_url FROM cards
          WHERE library_link IS NOT NULL AND NOT private AND NOT hidden ORDER BY url_digest, id) k ON k.url_digest = n.key
    LEFT JOIN pages g ON g.url_digest = n.key;
    INSERT INTO trend_days (subject, key, day, saves)
    SELECT s.subject, s.key, d.day, sum(d.saves)
    FROM trend_days d JOIN trends t ON t.subject = 'url' AND t.key = d.key
    CROSS JOIN LATERAL (VALUES ('domain', convert_to(t.domain, 'UTF8')),
                               ('type', convert_to(coalesce(t.kind, ''), 'UTF8'))) AS s(subject, key)
    WHERE d.subject = 'url' GROUP BY 1, 2, 3;
    INSERT INTO trends (subject, key, total, d7, d30, d90, d366)
    SELECT d.subject, d.key, sum(d.saves),
           coalesce(sum(d.saves) FILTER (WHERE d.day > today.day - 7), 0),
           coalesce(sum(d.saves) FILTER (WHERE d.day > today.day - 30), 0),
           coalesce(sum(d.saves) FILTER (WHERE d.day > today.day - 90), 0),
           coalesce(sum(d.saves) FILTER (WHERE d.day > today.day - 366), 0)
    FROM trend_days d, (SELECT (now() AT TIME ZONE 'UTC')::date AS day) AS today
    WHERE d.subject <> 'url' GROUP BY 1, 2;
END
$$;

-- The words of a private card are its owner's own, so this index takes in as much as that of everybody's pages, and each search reads what
-- is not in yet (kB).
ALTER INDEX search_documents_own_words SET (gin_pending_list_limit = 128);

-- The row's card is saved as private.
ALTER TABLE import_rows ADD COLUMN private boolean NOT NULL DEFAULT false;

-- Last, as saves wait from here on. Of a link: others do not see its card. When a card becomes visible or hidden, its links get new ids.
ALTER TABLE links ADD COLUMN private boolean NOT NULL DEFAULT false;
CREATE INDEX links_private ON links (collection_id, card_id) WHERE private;
ALTER TABLE collections ADD COLUMN private boolean NOT NULL DEFAULT false;
-- private: as its owner wants it. hidden: by an administrator. It is seen by others if it is neither.
ALTER TABLE cards
    ADD COLUMN private boolean NOT NULL DEFAULT false,
    ADD COLUMN hidden  boolean NOT NULL DEFAULT false;
