"""The Redis side of Dramatiq: broker, consumer, wake-ups, dead-letter middleware, heartbeat."""
