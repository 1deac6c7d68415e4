-- What the notifier keeps for itself.

CREATE TABLE lane_breakers (
    queue_name text PRIMARY KEY,
    opened_at timestamptz NOT NULL DEFAULT now(),
    next_trial_at timestamptz NOT NULL,
    code text,
    reason text
);
COMMENT ON TABLE lane_breakers IS
    'Lanes whose provider refuses everything (wrong key, suspended account): one trial a minute until one succeeds.';

CREATE TABLE call_pace (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    next_start_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE call_pace IS 'When the next call may be started, over all processes (CALLS_PER_SECOND).';
INSERT INTO call_pace DEFAULT VALUES;
