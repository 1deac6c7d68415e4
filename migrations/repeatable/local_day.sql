-- The day in New York, by which business dates, budgets and mailings count.

CREATE OR REPLACE FUNCTION new_york_day(moment timestamptz) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (moment AT TIME ZONE 'America/New_York')::date;
