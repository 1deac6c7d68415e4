-- Record which of Airflow's runs an action has started.
UPDATE operator_actions SET parameters = parameters || jsonb_build_object('run_id', %(run_id)s::text)
WHERE id = %(id)s
RETURNING id
