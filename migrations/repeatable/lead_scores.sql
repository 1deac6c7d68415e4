-- requires: local_day
--
-- The score of a lead.

CREATE OR REPLACE FUNCTION lead_base_score(lead_type text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE lead_type
    WHEN 'probate' THEN 95
    WHEN 'foreclosure' THEN 90
    WHEN 'new_homeowner' THEN 85
    WHEN 'eviction' THEN 75
    WHEN 'indebtedness' THEN 70
    WHEN 'verdict' THEN 70
    ELSE 0
END;

CREATE OR REPLACE FUNCTION calculate_lead_score(
    lead_type text, lead_date date, estimated_equity numeric, engagement_count integer
) RETURNS integer LANGUAGE sql STABLE PARALLEL SAFE
RETURN least(100, greatest(0,
    round(lead_base_score(lead_type) * CASE
        WHEN new_york_day(now()) - lead_date <= 30 THEN 1
        WHEN new_york_day(now()) - lead_date <= 60 THEN 0.75
        WHEN new_york_day(now()) - lead_date <= 90 THEN 0.5
        ELSE 0.1
    END)::integer
    + CASE WHEN estimated_equity >= 100000 THEN 15 ELSE 0 END
    + least(2 * coalesce(engagement_count, 0), 10)));
COMMENT ON FUNCTION calculate_lead_score IS
    'Returns 0 to 100: the base score of the type times freshness (age in New York days), plus points for equity and engagement.';
