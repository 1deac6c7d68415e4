"""On-call alerts of runs, late and missing feeds, queue metrics."""
