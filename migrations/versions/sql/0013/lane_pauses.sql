CREATE TABLE IF NOT EXISTS lane_pauses (
    queue_name text PRIMARY KEY,
    paused_by text NOT NULL,
    reason text NOT NULL,
    paused_at timestamptz NOT NULL DEFAULT now()
);
