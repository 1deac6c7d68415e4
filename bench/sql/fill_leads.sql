-- Write %(leads)s properties, each with one lead, and phone numbers for half of the leads.
WITH places AS (
    INSERT INTO properties (id, folio_number, address, city, zip, owner_name)
    SELECT n, '31' || lpad(n::text, 11, '0'), n || ' SW 8 ST', 'Miami', '33130', 'DOE JANE'
    FROM generate_series(1, %(leads)s) AS n
)
INSERT INTO leads (id, property_id, lead_type, lead_date, lead_score, phone_number)
SELECT n, n, 'foreclosure', current_date, 50 + n %% 50,
       CASE WHEN n %% 2 = 0 THEN '+1786' || lpad((2000000 + n)::text, 7, '0') END
FROM generate_series(1, %(leads)s) AS n
