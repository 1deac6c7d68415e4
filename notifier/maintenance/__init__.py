"""The work of the leader, which is one worker process: periodic tasks and the Airflow watchdog."""
