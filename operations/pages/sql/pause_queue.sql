SELECT pause_queue(%(queue)s, %(actor)s, %(reason)s) AS changed
