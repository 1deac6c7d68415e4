-- Select the content of a batch of e-mails or SMS messages about leads, and the columns that decide eligibility.
SELECT r.*, l.status AS lead_status, l.lead_type, t.label AS lead_type_label, t.indicator, l.lead_score, l.lead_date, l.estimated_equity,
       p.address, p.unit, p.city, p.owner_name, p.property_type, p.building_sqft, p.lot_size_acres, p.year_built
FROM delivery_recipients r
JOIN leads l ON l.id = r.lead_id
JOIN lead_types t USING (lead_type)
JOIN properties p ON p.id = l.property_id
WHERE r.id = ANY (%(ids)s)
ORDER BY r.priority DESC, r.id
