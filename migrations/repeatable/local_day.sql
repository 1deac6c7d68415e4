-- The New York day, on which business dates, budgets and mailings are based.

CREATE OR REPLACE FUNCTION new_york_day(moment timestamptz) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (moment AT TIME ZONE 'America/New_York')::date;
