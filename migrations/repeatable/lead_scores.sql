-- requires: local_day
-- data: lead_types
--
-- The score of a lead. This file copies the base scores from the table lead_types into the function as a constant,
-- because reading a constant is far faster than reading a table.

DO $make$
BEGIN
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION lead_base_score(lead_type text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE '
        'RETURN coalesce((%L::jsonb ->> lead_type)::integer, 0)',
        (SELECT jsonb_object_agg(lead_type, base_score) FROM lead_types));
END $make$;
COMMENT ON FUNCTION lead_base_score IS
    'Returns the base score of a lead type from the table lead_types, or 0 for an unknown type.';

CREATE OR REPLACE FUNCTION calculate_lead_score(
    lead_type text, lead_date date, estimated_equity numeric, engagement_count integer
) RETURNS integer LANGUAGE sql STABLE PARALLEL SAFE
RETURN least(100, greatest(0,
    round(lead_base_score(lead_type) * CASE
        WHEN lead_date >= new_york_day(now()) - 30 THEN 1
        WHEN lead_date >= new_york_day(now()) - 60 THEN 0.75
        WHEN lead_date >= new_york_day(now()) - 90 THEN 0.5
        ELSE 0.1
    END)::integer
    + CASE WHEN estimated_equity >= 100000 THEN 15 ELSE 0 END
    + least(2 * coalesce(engagement_count, 0)::bigint, 10)))::integer;
COMMENT ON FUNCTION calculate_lead_score IS
    'Returns a lead''s score, from 0 to 100: the base score of the type, multiplied by the freshness (which depends on the age in New York days), plus points for equity and engagement.';
