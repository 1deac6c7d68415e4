-- Work on a small action at once. A batch of 0 leaves the action to the notifier.
SELECT a.* FROM continue_operator_action(%(id)s, %(batch)s) a WHERE %(batch)s > 0
UNION ALL
SELECT a.* FROM operator_actions a WHERE a.id = %(id)s AND %(batch)s = 0
