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
