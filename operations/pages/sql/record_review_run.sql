-- Record that an operator starts a run that matches the waiting records again.
INSERT INTO operator_actions (actor, action, object_type, rows, done, changed, reason, parameters, state, finished_at)
VALUES (%(actor)s, 'make_leads', 'dag_run', 1, 1, 1, %(reason)s,
        jsonb_build_object('feed', %(feed)s::text), 'done', now())
RETURNING id
