CREATE TABLE IF NOT EXISTS subscriber_unit_budget (
    day date NOT NULL,
    subscriber_id bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    used bigint NOT NULL CHECK (used >= 0),
    PRIMARY KEY (day, subscriber_id)
);
