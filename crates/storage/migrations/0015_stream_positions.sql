-- The live feed is no longer ordered by transaction ids. A flush takes its position under a lock that it keeps until it has committed. So
-- positions rise in the order of the commits, and a transaction left open, in whatever database, does not hold the feed up.
--
-- Positions begin far above every transaction id that a process of an older release may yet give out as a cursor: who comes back with
-- such a cursor gets everything since. Live readers of those processes hear nothing new until they connect to another one; who goes back
-- and forth between old and new processes may be told an activity twice.
DO $$
BEGIN
    EXECUTE format($create$
        CREATE FUNCTION next_position() RETURNS xid8 LANGUAGE plpgsql AS $body$
        DECLARE
            last xid8;
        BEGIN
            PERFORM pg_advisory_xact_lock(20771, 3);
            -- A statement of its own sees what was committed before the lock was free.
            SELECT epoch INTO last FROM activities ORDER BY epoch DESC LIMIT 1;
            RETURN (greatest(coalesce(last::text::bigint, 0), %s) + 1)::text::xid8;
        END
        $body$
    $create$, pg_current_xact_id()::text::bigint + 1000000000);
END
$$;
ALTER TABLE activities ALTER COLUMN epoch SET DEFAULT next_position();
