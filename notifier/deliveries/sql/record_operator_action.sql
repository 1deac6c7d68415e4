-- Record an action that an operator has finished from the command line.
INSERT INTO operator_actions (actor, action, object_type, object_ids, rows, reason, state, done, changed, refusals, finished_at)
VALUES (%(actor)s, %(action)s, 'dead_letter', %(ids)s, cardinality(%(ids)s::bigint[]), %(reason)s, 'done',
        cardinality(%(ids)s::bigint[]), %(changed)s, %(refusals)s, now())
