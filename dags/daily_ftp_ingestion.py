"""# Daily ingestion: the county's recorded documents become leads and alerts

Runs on every weekday at 6:00 (New York); a holiday without files is skipped. Reads `Cases.exp` and `Parties.exp` (or
the Clerk's 42-column file, see `MIAMI_DADE_DAILY_FORMAT`) from `/daily` of the county's FTP server, archives them, and
brings properties, leads and alert rows up to date. The notifier sends the alerts; this DAG only writes them.

**A run is for one business date**: its logical date in New York, or the parameter `business_date`. If a run's files are
already archived, the run reads them from the archive, so archived dates can be run again or backfilled in any order. No
subscriber is alerted twice.

**When it fails** nothing is lost: the next try of the failed task finishes the step. The reason and the remedy are in
`data_ingestion_logs.error_message`, in the failed task's log and in `failed_jobs`. Correct the cause, then clear the
failed task: the run resumes from there. Malformed lines are in `rejected_records`, and records without a property are
in `unmatched_records`. Until the run has succeeded, subscribers get no new-homeowner or foreclosure leads for that day.
"""

from __future__ import annotations

from ingestion_dag import ingestion_dag

from county.feeds import DAILY

# Airflow loads this DAG; the package county implements its tasks.
dag = ingestion_dag(DAILY, doc_md=__doc__)
