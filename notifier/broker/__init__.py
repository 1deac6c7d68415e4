"""Dramatiq on Redis: the broker, its consumer, wake-ups, dead letters and the heartbeat of a worker process."""
