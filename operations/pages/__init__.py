"""The operators' pages in Airflow's UI: queues, deliveries, dead letters, ingestion and subscribers.

Airflow's api-server runs the pages (``plugins/operators_pages.py``). Everything that the pages show comes from the
leads database.
"""
