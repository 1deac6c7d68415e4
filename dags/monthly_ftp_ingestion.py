"""# Monthly ingestion: estates and verdicts become leads and alerts

Runs on the 1st of each month at 8:00 (New York), for the previous month. Reads `Probate.exp` and `Verdicts.exp` from
`/monthly` of the county's FTP server, archives them, finds each case's property by the address in the case (for an
estate, the decedent's address), and brings cases, leads and alert rows up to date. The notifier sends the alerts; this
DAG only writes them. A probate lead's contact is the petitioner, and every probate lead is urgent.

**A run is for one business date**: its logical date in New York, or the parameter `business_date`. A run for November 1
reads the files for October. If a run's files are already archived, the run reads them from the archive, so archived
months can be run again or backfilled in any order. No subscriber is alerted twice.

**When it fails** nothing is half-done: every step is one transaction. The reason and the remedy are in
`data_ingestion_logs.error_message`, in the failed task's log and in `failed_jobs`. Correct the cause, then clear the
failed task: the run resumes from there. An empty file causes a warning, not a failure. Malformed lines are in
`rejected_records`, and cases without a property are in `unmatched_records`. For 90 days, each run tries again to match
the cases without a property. Until the run has succeeded, subscribers get no probate or verdict leads for that month.
"""

from __future__ import annotations

from ingestion_dag import ingestion_dag

from county.feeds import MONTHLY

# Airflow loads this DAG; the package county implements its tasks.
dag = ingestion_dag(MONTHLY, doc_md=__doc__)
