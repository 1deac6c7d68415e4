"""The life cycle of a delivery: enqueue, claim, dispatch, provider events, dead letters, and the ledger check."""
