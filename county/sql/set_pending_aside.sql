-- Set aside what other runs of the day still have to do, so that this transaction makes leads only from its own changes.
-- Creates folios_aside and cases_aside, which put_pending_back.sql reads.
CREATE TEMP TABLE folios_aside ON COMMIT DROP AS
SELECT * FROM pending_folios WHERE business_date = %(day)s::date;
DELETE FROM pending_folios WHERE business_date = %(day)s::date;

CREATE TEMP TABLE cases_aside ON COMMIT DROP AS
SELECT * FROM pending_cases WHERE business_date = %(day)s::date;
DELETE FROM pending_cases WHERE business_date = %(day)s::date
