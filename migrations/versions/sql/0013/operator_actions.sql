CREATE TABLE IF NOT EXISTS operator_actions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    actor text NOT NULL,
    action text NOT NULL,
    object_type text NOT NULL,
    object_ids bigint[] NOT NULL DEFAULT '{}',
    rows bigint NOT NULL DEFAULT 0,
    reason text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    parameters jsonb NOT NULL DEFAULT '{}',
    state text NOT NULL DEFAULT 'done' CHECK (state IN ('running', 'done', 'stopped')),
    done bigint NOT NULL DEFAULT 0,
    changed bigint NOT NULL DEFAULT 0,
    refusals jsonb NOT NULL DEFAULT '{}',
    request_key text UNIQUE,
    stopped_by text,
    finished_at timestamptz
);
CREATE INDEX IF NOT EXISTS operator_actions_running ON operator_actions (id) WHERE state = 'running';
-- The page of a delivery looks for the actions on it. An index entry for each row of a bulk action would make the action
-- slow, so an entry stands for the range of a bulk action's ids, which are sorted.
CREATE INDEX IF NOT EXISTS operator_actions_objects ON operator_actions USING gin (object_ids) WHERE cardinality(object_ids) <= 100;
CREATE INDEX IF NOT EXISTS operator_actions_bulk ON operator_actions
    USING gist (int8range(object_ids[1], object_ids[cardinality(object_ids)], '[]'))
    WHERE cardinality(object_ids) > 100 AND object_type IN ('delivery', 'dead_letter');
