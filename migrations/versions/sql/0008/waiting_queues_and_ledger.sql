ALTER TABLE lane_breakers ADD COLUMN trial_interval interval NOT NULL DEFAULT '1 minute';

CREATE TABLE kind_breakers (
    kind text PRIMARY KEY REFERENCES delivery_kinds (kind),
    opened_at timestamptz NOT NULL DEFAULT now(),
    next_trial_at timestamptz NOT NULL,
    trial_interval interval NOT NULL DEFAULT '1 minute',
    code text,
    reason text
);

-- The entries have no foreign keys: checking one would wait for the row whose lock keeps the entry out of the ledger.
CREATE TABLE ledger_backlog (
    delivery_id bigint NOT NULL,
    -- squawk-ignore prefer-bigint-over-int
    hold_number integer NOT NULL,
    entry text NOT NULL CHECK (entry IN ('settle', 'release', 'refund')),
    user_id bigint NOT NULL,
    -- squawk-ignore prefer-bigint-over-int
    tokens integer NOT NULL,
    reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (delivery_id, hold_number, entry)
);
