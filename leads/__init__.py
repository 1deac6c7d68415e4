"""Code that the batch side and the notifier share. It imports neither Airflow nor Dramatiq."""
