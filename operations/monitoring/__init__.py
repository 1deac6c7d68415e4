"""Alerts for failed, late and missing runs and for stale data; queue metrics; the clean-up of Airflow's metadata."""
