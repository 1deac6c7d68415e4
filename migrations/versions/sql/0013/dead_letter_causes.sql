ALTER TABLE failed_jobs ADD COLUMN IF NOT EXISTS cause text;
