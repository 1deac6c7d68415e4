-- The county's parcel roll.

CREATE TABLE staging_parcel_roll (
    ingestion_id bigint NOT NULL,
    line_number integer NOT NULL,
    folio text NOT NULL,
    address text,
    unit text,
    city text,
    zip text,
    owner_name text,
    assessed_value numeric,
    year_built numeric,
    bedrooms numeric,
    bathrooms numeric,
    building_sqft numeric,
    lot_size numeric,
    land_use text,
    is_condominium text,
    parent_folio text
) PARTITION BY LIST (ingestion_id);
COMMENT ON COLUMN staging_parcel_roll.lot_size IS 'Square feet.';

CREATE TABLE land_uses (
    rank integer PRIMARY KEY,
    pattern text NOT NULL,
    property_type text NOT NULL
);
COMMENT ON TABLE land_uses IS
    'What the roll''s description of a land use means as a property type: the first pattern (regular expression) that fits.';

CREATE FUNCTION property_type(land_use text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN (SELECT u.property_type FROM land_uses u WHERE upper(land_use) ~ u.pattern ORDER BY u.rank LIMIT 1);
