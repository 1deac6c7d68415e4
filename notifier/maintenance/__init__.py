"""The work that one elected worker process does at regular intervals: periodic tasks and the Airflow watchdog."""
