-- Record that an operator has looked at personal data.
INSERT INTO operator_actions (actor, action, object_type, object_ids, rows, reason, parameters, state, done, changed, finished_at)
VALUES (%(actor)s, 'reveal', %(object_type)s, ARRAY[%(id)s::bigint], 1, %(reason)s, %(parameters)s, 'done', 1, 1, now())
