-- Merge the roll's parcels into properties. The owner and the sales from recorded documents take precedence over the
-- roll's values. If the roll leaves a value blank, the stored value stays unchanged.
CREATE TEMP TABLE roll ON COMMIT DROP AS
WITH newest AS (
    SELECT DISTINCT ON (folio) * FROM staging_parcel_roll
    WHERE ingestion_id = %(ingestion_id)s
    ORDER BY folio, line_number DESC
), types AS MATERIALIZED (
    SELECT land_use, property_type(land_use) AS property_type
    FROM (SELECT DISTINCT land_use FROM newest WHERE land_use IS NOT NULL) u
)
SELECT n.folio, n.address, n.unit, n.city, n.zip,
       -- The reference folio of a condominium has no owner.
       CASE WHEN t.property_type IS DISTINCT FROM 'reference' THEN n.owner_name END AS owner_name,
       n.assessed_value::numeric(16, 2) AS assessed_value, n.year_built::integer AS year_built,
       CASE WHEN n.bedrooms < 1000 THEN n.bedrooms END::numeric(5, 1) AS bedrooms,
       CASE WHEN n.bathrooms < 1000 THEN n.bathrooms END::numeric(5, 1) AS bathrooms,
       n.building_sqft::integer AS building_sqft, (n.lot_size / 43560)::numeric(12, 4) AS lot_size_acres,
       coalesce(t.property_type, CASE WHEN n.is_condominium ~* '^(Y|1|T)' THEN 'condominium' END) AS property_type
FROM newest n LEFT JOIN types t USING (land_use);
ANALYZE roll;

CREATE TEMP TABLE rolled ON COMMIT DROP AS
WITH wanted AS (
    SELECT p.id,
           coalesce(r.address, p.address) AS address,
           CASE WHEN r.address IS NULL THEN p.unit ELSE r.unit END AS unit,
           CASE WHEN r.address IS NULL THEN p.city ELSE r.city END AS city,
           CASE WHEN r.address IS NULL THEN p.zip ELSE r.zip END AS zip,
           CASE WHEN 'owner' = ANY (p.document_facts) THEN p.owner_name
                ELSE coalesce(r.owner_name, p.owner_name) END AS owner_name,
           coalesce(r.assessed_value, p.assessed_value) AS assessed_value,
           coalesce(r.year_built, p.year_built) AS year_built,
           coalesce(r.bedrooms, p.bedrooms) AS bedrooms,
           coalesce(r.bathrooms, p.bathrooms) AS bathrooms,
           coalesce(r.building_sqft, p.building_sqft) AS building_sqft,
           coalesce(r.lot_size_acres, p.lot_size_acres) AS lot_size_acres,
           coalesce(r.property_type, p.property_type) AS property_type,
           -- After the roll has supplied an address, documents no longer change it.
           CASE WHEN r.address IS NULL THEN p.document_facts
                ELSE array_remove(p.document_facts, 'address') END AS document_facts
    FROM roll r JOIN properties p ON p.folio_number = r.folio
), changed AS (
    UPDATE properties p
    SET address = w.address, unit = w.unit, city = w.city, zip = w.zip, owner_name = w.owner_name,
        assessed_value = w.assessed_value, year_built = w.year_built, bedrooms = w.bedrooms,
        bathrooms = w.bathrooms, building_sqft = w.building_sqft, lot_size_acres = w.lot_size_acres,
        property_type = w.property_type, document_facts = w.document_facts,
        roll_updated_at = %(day)s::date::timestamp AT TIME ZONE 'America/New_York'
    FROM wanted w
    WHERE p.id = w.id
      AND (p.address, p.unit, p.city, p.zip, p.owner_name, p.assessed_value, p.year_built, p.bedrooms, p.bathrooms,
           p.building_sqft, p.lot_size_acres, p.property_type, p.document_facts, p.roll_updated_at IS NULL)
          IS DISTINCT FROM
          (w.address, w.unit, w.city, w.zip, w.owner_name, w.assessed_value, w.year_built, w.bedrooms, w.bathrooms,
           w.building_sqft, w.lot_size_acres, w.property_type, w.document_facts, false)
    RETURNING p.id
)
SELECT count(*) AS updated FROM changed;

-- Find all new parcels before inserting any of them, because a lookup in a table that is being filled may read the
-- whole table.
CREATE TEMP TABLE new_parcels ON COMMIT DROP AS
SELECT * FROM roll r WHERE NOT EXISTS (SELECT FROM properties p WHERE p.folio_number = r.folio);

-- Leave last_updated empty, so that no property lookup is answered with cached data that is from the roll alone.
CREATE TEMP TABLE added ON COMMIT DROP AS
WITH added AS (
    INSERT INTO properties (folio_number, address, unit, city, zip, owner_name, assessed_value, year_built, bedrooms,
                            bathrooms, building_sqft, lot_size_acres, property_type, data_source, roll_updated_at)
    SELECT folio, address, unit, city, zip, owner_name, assessed_value, year_built, bedrooms,
           bathrooms, building_sqft, lot_size_acres, property_type, 'parcel_roll',
           %(day)s::date::timestamp AT TIME ZONE 'America/New_York'
    FROM new_parcels
    ON CONFLICT (folio_number) DO NOTHING
    RETURNING id
)
SELECT count(*) AS created FROM added;

-- Recalculate the equity of open leads, because the roll may have changed the assessed value.
CREATE TEMP TABLE revalued ON COMMIT DROP AS
WITH revalued AS (
    UPDATE leads l
    SET estimated_equity = p.assessed_value - coalesce(p.mortgage_balance, 0)
    FROM properties p
    WHERE p.id = l.property_id AND l.status IN ('new', 'contacted')
      AND l.estimated_equity IS DISTINCT FROM p.assessed_value - coalesce(p.mortgage_balance, 0)
    RETURNING l.id
)
SELECT count(*) AS leads FROM revalued;

UPDATE data_ingestion_logs
SET new_properties = new_properties + (SELECT created FROM added),
    updated_properties = updated_properties + (SELECT updated FROM rolled)
WHERE id = %(ingestion_id)s
RETURNING (SELECT created FROM added) AS created, (SELECT updated FROM rolled) AS updated,
          (SELECT leads FROM revalued) AS leads_revalued
