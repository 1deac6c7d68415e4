-- A transaction of its own: checking the rows that are there must not block those who read them.
ALTER TABLE leads VALIDATE CONSTRAINT leads_lead_type_fkey;
-- unused since 0.1.0: the foreign key takes its place.
-- squawk-ignore ban-drop-constraint
ALTER TABLE leads DROP CONSTRAINT leads_lead_type_check;
