-- A delivery says when somebody must look at it again: a healthy one is inserted and deleted, and never updated.
--
-- Processes of an older release may go on working meanwhile, or come back. What they insert is due after ten seconds, when they have
-- published it themselves. For them claimed_until, resend_at and not_before are written as well, which nobody reads any more; a later
-- migration drops these. The two releases may both publish one delivery, which makes a copy.
ALTER TABLE deliveries ADD COLUMN due_at timestamptz NOT NULL DEFAULT now() + interval '10 seconds';
UPDATE deliveries SET due_at = coalesce(not_before, claimed_until, resend_at, now()) WHERE dead_at IS NULL;
DROP INDEX deliveries_unpublished, deliveries_published;
CREATE INDEX deliveries_due ON deliveries (queue, due_at) WHERE dead_at IS NULL;
ALTER TABLE deliveries SET (fillfactor = 100);
