"""Run the whole system on one machine: ``make demo``, ``make up``, and the servers that the tests use."""
