"""The life of a delivery row: enqueue, claim, finish, provider events, dead letters, the ledger check."""
