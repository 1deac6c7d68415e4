"""# Monthly ingestion: estates and verdicts become leads and alerts

On the 1st of each month at 8:00 New York, for the month before. Reads `Probate.exp` and `Verdicts.exp` from
`/monthly` of the county's FTP server, archives them, finds the property of each case by its address (of an estate:
the decedent's), and brings cases, leads and alert rows up to date. The notifier sends the alerts; this DAG only
writes them. The contact of an estate is the petitioner; its leads are urgent.

**A run is for one business date**: its logical date in New York, or the parameter `business_date`; the file of a run
of 1 November is October's. A run whose files are archived reads the archive, so any archived month can be run again
or backfilled, in any order; no subscriber is alerted twice.

**When it fails** nothing is half-done: every step is one transaction. The reason and the remedy are in
`data_ingestion_logs.error_message`, in the failed task's log and in `failed_jobs`. Correct the cause, then clear the
failed task: the run continues from there. An empty file is a warning, not a failure. Malformed lines are in
`rejected_records`, cases without a property in `unmatched_records`, tried again by each run for 90 days. Until it has
run, subscribers get no probate and verdict leads of that month.
"""

from __future__ import annotations

from ingestion_dag import ingestion_dag

from county.feeds import MONTHLY

# An Airflow DAG; its tasks are implemented in the package county.
dag = ingestion_dag(MONTHLY, doc_md=__doc__)
