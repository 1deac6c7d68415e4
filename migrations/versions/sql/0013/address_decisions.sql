-- A record without a ZIP code is decided as it is written: its city is weak, and two cities may have the same street.
CREATE TABLE IF NOT EXISTS address_decisions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    address_key text NOT NULL,
    unit_key text,
    zip text,
    written text,
    address text,
    unit text,
    city text,
    decision text NOT NULL CHECK (decision IN ('accepted', 'rejected')),
    folio_number text,
    decided_by text NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT now(),
    reason text,
    CHECK ((decision = 'accepted') = (folio_number IS NOT NULL)),
    CHECK (zip IS NULL OR written IS NULL)
);
CREATE UNIQUE INDEX IF NOT EXISTS address_decisions_address
    ON address_decisions (address_key, unit_key, zip, written) NULLS NOT DISTINCT;

CREATE TABLE IF NOT EXISTS ingestion_steps (
    ingestion_id bigint NOT NULL REFERENCES data_ingestion_logs (id) ON DELETE CASCADE,
    step text NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (ingestion_id, step)
);

ALTER TABLE unmatched_records ADD COLUMN IF NOT EXISTS is_released boolean NOT NULL DEFAULT false;
ALTER TABLE matched_records ADD COLUMN IF NOT EXISTS decision_id bigint;
