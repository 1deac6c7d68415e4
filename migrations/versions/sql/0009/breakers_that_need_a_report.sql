ALTER TABLE lane_breakers ADD COLUMN needs_report boolean NOT NULL DEFAULT false;
