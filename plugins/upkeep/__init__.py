"""The rest of the batch side: scores, mailings, retention, queue metrics, and what on-call is told.

``scoring``, ``mailings``, ``cleanup`` (with ``retention`` and ``archiving``) and ``metrics`` do what the DAG of that
name says; ``schedules`` knows when feeds are due, ``freshness`` what is missing, ``oncall`` how a run's end is told.
"""
