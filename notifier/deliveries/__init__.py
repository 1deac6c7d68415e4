"""The life of a delivery row: enqueue, claim, dispatch, provider events, dead letters, and the ledger check."""
