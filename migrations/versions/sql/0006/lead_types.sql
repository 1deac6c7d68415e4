-- The types of leads: what used to be written out in a constraint, a function and the messages. reference/lead_types.csv
-- says the rest; the names are needed here, because leads refer to them.
CREATE TABLE lead_types (
    lead_type text PRIMARY KEY,
    label text NOT NULL,
    indicator text NOT NULL,
    -- squawk-ignore prefer-bigint-over-int
    base_score integer NOT NULL CHECK (base_score BETWEEN 0 AND 100),
    is_urgent boolean NOT NULL
);
INSERT INTO lead_types (lead_type, label, indicator, base_score, is_urgent)
SELECT lead_type, lead_type, '', 0, false
FROM unnest(ARRAY['new_homeowner', 'foreclosure', 'eviction', 'indebtedness', 'probate', 'verdict']) AS lead_type;

ALTER TABLE leads ADD CONSTRAINT leads_lead_type_fkey FOREIGN KEY (lead_type) REFERENCES lead_types NOT VALID;
