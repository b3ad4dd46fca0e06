-- Due pages stand in line for their fetch. A page's turn is its place in the line of the person who asked for it or in the line of its
-- registrable domain, whichever comes later. All five are set while it is in line, and only then. What the build before
-- fetches meanwhile leaves the line once it is due again.
ALTER TABLE pages
    ADD COLUMN turn      bigint,
    ADD COLUMN asked_by  text COLLATE "C",
    ADD COLUMN domain    text COLLATE "C",
    ADD COLUMN by_person bigint,
    ADD COLUMN by_domain bigint;
CREATE INDEX pages_line ON pages (turn, next_fetch_at) WHERE turn IS NOT NULL;
CREATE INDEX pages_line_of_person ON pages (asked_by, by_person) WHERE turn IS NOT NULL;
CREATE INDEX pages_line_of_domain ON pages (domain, by_person, by_domain) WHERE turn IS NOT NULL;
CREATE INDEX pages_to_line_up ON pages (next_fetch_at) WHERE turn IS NULL AND next_fetch_at IS NOT NULL;
-- pages_due is the index of the build before.
