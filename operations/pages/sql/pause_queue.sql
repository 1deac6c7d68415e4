-- Pause a queue, and return whether it was not paused before.
SELECT pause_queue(%(queue)s, %(actor)s, %(reason)s) AS changed
