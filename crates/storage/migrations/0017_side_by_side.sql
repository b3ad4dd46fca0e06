-- An event's deliveries stand side by side in their index, and are found by the event first. By queue and event, a plan that was made while
-- the ledger was short reads all of the queue's entries, and with them what an open snapshot keeps from being removed.
ALTER TABLE deliveries DROP CONSTRAINT deliveries_pkey, ADD PRIMARY KEY (event_id, queue);

-- Nothing looks for pages by this one any more.
DROP INDEX pages_due;
