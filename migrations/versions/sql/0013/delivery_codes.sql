CREATE TABLE IF NOT EXISTS delivery_codes (
    code text PRIMARY KEY,
    meaning text NOT NULL
);
