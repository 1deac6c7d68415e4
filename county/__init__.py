"""The batch library: the county's files on their way from the FTP server to leads and alert rows.

Read in the order of a run: ``feeds`` (what there is), ``fetch`` (FTP server to archive), ``staging`` (archive to
staging tables), ``pipeline`` (match, merge, leads, alerts) and ``runs`` (the log). Only ``hooks``, ``ftp`` and
``gcs_archive`` know Airflow: its connections.
"""
