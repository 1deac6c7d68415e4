"""The leader's work: periodic tasks and the Airflow watchdog. The leader is one of the worker processes."""
