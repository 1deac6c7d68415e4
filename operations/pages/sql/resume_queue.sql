-- Resume a queue, and return whether it was paused.
SELECT resume_queue(%(queue)s, %(actor)s, %(reason)s) AS changed
