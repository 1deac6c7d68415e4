-- Revision 0002 was extended several times before it was released. A database that ran one of its first versions lacks
-- some of these objects; in every other database this file changes nothing.

CREATE TABLE IF NOT EXISTS mailing_runs (
    mailing text PRIMARY KEY,
    last_day date NOT NULL
);

CREATE TABLE IF NOT EXISTS folios_to_refresh (folio text NOT NULL);

DO $$
BEGIN
    IF (SELECT indpred IS NULL OR pg_get_expr(indpred, indrelid) NOT LIKE '%lookup_id IS NOT NULL%'
        FROM pg_index WHERE indexrelid = 'token_entries_one_lookup_hold'::regclass) THEN
        DROP INDEX token_entries_one_lookup_hold;
        CREATE UNIQUE INDEX token_entries_one_lookup_hold ON token_entries (lookup_id)
            WHERE entry = 'hold' AND lookup_id IS NOT NULL;
    END IF;
END $$;
