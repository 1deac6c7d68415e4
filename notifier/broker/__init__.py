"""Dramatiq on Redis: the broker, the consumer, wake-ups, dead letters, and the heartbeat of a worker process."""
