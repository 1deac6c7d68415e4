"""What the elected leader does beside the workers: periodic tasks and the Airflow watchdog."""
