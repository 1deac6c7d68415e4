"""The batch library: it turns the county's files into leads and alert rows.

A run uses the modules in this order: ``feeds`` (the county's feeds), ``fetch`` (FTP server to archive), ``staging``
(archive to staging tables), ``pipeline`` (match, merge, leads, alerts) and ``runs`` (the run log). Only ``hooks``,
``ftp`` and ``gcs_archive`` depend on Airflow: they read its connections.
"""
