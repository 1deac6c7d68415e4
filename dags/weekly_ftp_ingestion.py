"""# Weekly ingestion: evictions and debt suits become leads and alerts

Runs every Monday at 7:00 (New York). Reads `Evictions.exp` and `Indebtedness.exp` from `/weekly` of the county's FTP
server, archives them, finds each case's property by the address in the case, and brings cases, leads and alert rows up
to date. The notifier sends the alerts; this DAG only writes them. The contact of an eviction lead is the landlord,
never the tenant.

**A run is for one business date**: its logical date in New York, or the parameter `business_date`. If a run's files are
already archived, the run reads them from the archive, so archived weeks can be run again or backfilled in any order. No
subscriber is alerted twice.

**When it fails** nothing is half-done: every step is one transaction. The reason and the remedy are in
`data_ingestion_logs.error_message`, in the failed task's log and in `failed_jobs`. Correct the cause, then clear the
failed task: the run resumes from there. An empty file causes a warning, not a failure. Malformed lines are in
`rejected_records`, and cases without a property are in `unmatched_records`. For 90 days, each run tries again to match
the cases without a property. Until the run has succeeded, subscribers get no eviction or debt leads for that week.
"""

from __future__ import annotations

from ingestion_dag import ingestion_dag

from county.feeds import WEEKLY

# Airflow loads this DAG; the package county implements its tasks.
dag = ingestion_dag(WEEKLY, doc_md=__doc__)
