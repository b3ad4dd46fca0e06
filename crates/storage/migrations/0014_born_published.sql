-- A delivery says when somebody must look at it again: a healthy one is inserted and deleted, and never updated.
--
-- Processes of an older release may go on working meanwhile. What they insert is due after ten seconds, when they have published it
-- themselves; what is inserted from now on they take for published, and leave alone. They read and write claimed_until, resend_at and
-- not_before, which nobody else does, so a later migration drops these.
ALTER TABLE deliveries ADD COLUMN due_at timestamptz NOT NULL DEFAULT now() + interval '10 seconds';
UPDATE deliveries SET due_at = coalesce(not_before, claimed_until, resend_at, now()) WHERE dead_at IS NULL;
DROP INDEX deliveries_unpublished, deliveries_published;
CREATE INDEX deliveries_due ON deliveries (queue, due_at) WHERE dead_at IS NULL;
ALTER TABLE deliveries SET (fillfactor = 100);
