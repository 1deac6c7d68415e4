-- The function that returns the property type for a land use in the parcel roll.

CREATE OR REPLACE FUNCTION property_type(land_use text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN (SELECT u.property_type FROM land_uses u WHERE upper(land_use) ~ u.pattern ORDER BY u.rank LIMIT 1);
