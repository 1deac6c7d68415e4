"""The actors that the app enqueues: ids in, one call."""
