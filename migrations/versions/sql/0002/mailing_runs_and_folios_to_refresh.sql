-- What has changed in the tables since the first schema.

-- ── upkeep ─────────────────────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE IF NOT EXISTS mailing_runs (
    mailing text PRIMARY KEY,
    last_day date NOT NULL
);
COMMENT ON TABLE mailing_runs IS 'The newest day for which a mailing was opened: what was due since is made up for.';

COMMENT ON COLUMN queue_metrics.completed_count IS
    'Done since the row before: deliveries that a provider has accepted, lookups that were answered. Of admin-alerts, '
    'whose messages are no rows: alerts that an address of on-call took, whoever raised them; repeats within the hour are none.';

-- ── ledger ─────────────────────────────────────────────────────────────────────────────────────────────────────────

-- Holds of deliveries do not belong in it: it grew with each of them, and a plan could take it for theirs.
DROP INDEX IF EXISTS token_entries_one_lookup_hold;
CREATE UNIQUE INDEX token_entries_one_lookup_hold ON token_entries (lookup_id)
    WHERE entry = 'hold' AND lookup_id IS NOT NULL;

-- ── deliveries ─────────────────────────────────────────────────────────────────────────────────────────────────────

INSERT INTO event_meanings (provider, event, state, rank, suppresses)
VALUES ('notifier', 'never_told', 'undelivered', 2, false)  -- what Twilio says of an end counts for more, however late
ON CONFLICT DO NOTHING;

COMMENT ON COLUMN deliveries.check_at IS
    'When to ask the provider: about a call of which no end is known (set when it is started), about a text that is parked.';

-- ── lookups ────────────────────────────────────────────────────────────────────────────────────────────────────────

-- No key: two answers for a folio leave two rows, so that taking the one never hides the other, not yet committed.
CREATE TABLE IF NOT EXISTS folios_to_refresh (folio text NOT NULL);
COMMENT ON TABLE folios_to_refresh IS
    'Folios of which the API told while a merge was under way: neither saw all documents of the other.';
