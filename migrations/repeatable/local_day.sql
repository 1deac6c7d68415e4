-- The New York day. Business dates, budgets and mailings use it.

CREATE OR REPLACE FUNCTION new_york_day(moment timestamptz) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (moment AT TIME ZONE 'America/New_York')::date;
