CREATE TABLE IF NOT EXISTS delivery_attempts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    delivery_id bigint NOT NULL,
    -- squawk-ignore prefer-bigint-over-int
    attempt integer NOT NULL,
    due_at timestamptz,
    started_at timestamptz,
    ended_at timestamptz NOT NULL DEFAULT now(),
    outcome text NOT NULL,
    code text,
    provider_id text
);
CREATE INDEX IF NOT EXISTS delivery_attempts_delivery ON delivery_attempts (delivery_id);
CREATE INDEX IF NOT EXISTS delivery_attempts_ended ON delivery_attempts (ended_at);

ALTER TABLE queue_metrics
    ADD COLUMN IF NOT EXISTS wait_p50_seconds numeric(12, 3),
    ADD COLUMN IF NOT EXISTS wait_p95_seconds numeric(12, 3);
