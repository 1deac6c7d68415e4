"""What the batch side and the notifier share; imports neither Airflow nor Dramatiq."""
