-- What nobody keeps is not known any more: pages, and the words for typing errors. From here on they go with the card.
SET LOCAL enable_seqscan = on;
SET LOCAL enable_hashjoin = on;

DELETE FROM search_documents d USING cards c WHERE c.id = d.card_id AND c.library_link IS NULL;
DELETE FROM search_pages p WHERE NOT EXISTS (SELECT 1 FROM search_documents d WHERE d.url_digest = p.url_digest);
DELETE FROM pages p WHERE NOT EXISTS (
    SELECT 1 FROM cards c WHERE c.url_digest = p.url_digest AND c.library_link IS NOT NULL
);
DELETE FROM search_words w WHERE w.owner_id = '' AND NOT EXISTS (
    SELECT 1 FROM (SELECT DISTINCT unnest(tsvector_to_array(words)) AS word FROM search_pages) k
    WHERE k.word COLLATE "C" = w.word
);
DELETE FROM search_words w WHERE w.owner_id <> '' AND NOT EXISTS (
    SELECT 1 FROM (SELECT DISTINCT owner_id, unnest(tsvector_to_array(own_words)) AS word FROM search_documents) k
    WHERE k.owner_id = w.owner_id AND k.word COLLATE "C" = w.word
);
