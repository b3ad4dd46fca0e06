-- What is trending follows from the cards that are kept now: somebody counts once for a URL, on the UTC day on which they saved it.
-- The same is added up for domains and types of pages. What nobody keeps has no row.

-- subject: url (key: its digest), domain (its name) or type (the page's kind, empty if it is not known).
CREATE TABLE trend_days (
    subject text COLLATE "C" NOT NULL,
    key     bytea  NOT NULL,
    day     date   NOT NULL,
    saves   bigint NOT NULL,
    PRIMARY KEY (subject, key, day)
);

-- Running totals: of all days, and of the days after trend_windows.from_day.
CREATE TABLE trends (
    subject text COLLATE "C" NOT NULL,
    key     bytea  NOT NULL,
    total   bigint NOT NULL DEFAULT 0,
    d7      bigint NOT NULL DEFAULT 0,
    d30     bigint NOT NULL DEFAULT 0,
    d90     bigint NOT NULL DEFAULT 0,
    d366    bigint NOT NULL DEFAULT 0,
    -- Of a URL: what it was added to, too.
    domain  text COLLATE "C",
    kind    text COLLATE "C",
    PRIMARY KEY (subject, key)
) WITH (fillfactor = 80);

CREATE TABLE trend_windows (
    days     integer PRIMARY KEY,
    from_day date NOT NULL
);
INSERT INTO trend_windows SELECT days, (now() AT TIME ZONE 'UTC')::date - days FROM unnest(ARRAY[7, 30, 90, 366]) AS days;

-- The host of a normalised URL, without its port.
CREATE FUNCTION url_domain(url text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT regexp_replace(substring(url FROM '^[^:]*://([^/?]*)'), ':[0-9]*$', '')
$$;

-- Not in the language sql, which would plan all of it before the first statement has filled its table.
CREATE FUNCTION count_trends_anew() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM trend_days;
    DELETE FROM trends;
    UPDATE trend_windows SET from_day = (now() AT TIME ZONE 'UTC')::date - days;
    INSERT INTO trend_days (subject, key, day, saves)
    SELECT 'url', c.url_digest, (c.library_at AT TIME ZONE 'UTC')::date, count(*)
    FROM cards c WHERE c.library_link IS NOT NULL GROUP BY 2, 3;
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
          WHERE library_link IS NOT NULL ORDER BY url_digest, id) k ON k.url_digest = n.key
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

SET LOCAL enable_seqscan = on;
SET LOCAL enable_hashjoin = on;
SET LOCAL work_mem = '64MB';
SET LOCAL maintenance_work_mem = '256MB';
SELECT count_trends_anew();
CREATE INDEX trend_days_day ON trend_days (day);
CREATE INDEX trend_days_void ON trend_days (subject) WHERE saves = 0;
CREATE INDEX trends_d7 ON trends (subject, (-d7), key) WHERE d7 > 0;
CREATE INDEX trends_d30 ON trends (subject, (-d30), key) WHERE d30 > 0;
CREATE INDEX trends_d90 ON trends (subject, (-d90), key) WHERE d90 > 0;
CREATE INDEX trends_d366 ON trends (subject, (-d366), key) WHERE d366 > 0;
CREATE INDEX trends_void ON trends (subject) WHERE total = 0;

-- These tables name what people no longer keep. The build before still writes to them; it runs until the new one has taken over.
DELETE FROM daily_urls;
DELETE FROM daily_domains;
CREATE FUNCTION write_nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER write_nothing BEFORE INSERT ON daily_urls FOR EACH ROW EXECUTE FUNCTION write_nothing();
CREATE TRIGGER write_nothing BEFORE INSERT ON daily_domains FOR EACH ROW EXECUTE FUNCTION write_nothing();

-- Last, as saves wait from here on.
CREATE INDEX cards_kept ON cards (url_digest, id) WHERE library_link IS NOT NULL;
