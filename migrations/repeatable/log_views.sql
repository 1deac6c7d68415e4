-- Views that show the current tables in the form of the former system's log tables.
CREATE OR REPLACE VIEW email_logs AS
SELECT subscriber_id AS user_id, kind AS email_type, provider_id AS sendgrid_message_id,
       recipient AS recipient_email,
       CASE state WHEN 'accepted' THEN 'sent' WHEN 'dead' THEN 'failed' WHEN 'parked' THEN 'failed' ELSE state END AS status,
       accepted_at AS sent_at
FROM deliveries WHERE channel = 'email' AND emptied_at IS NULL;

CREATE OR REPLACE VIEW sms_logs AS
SELECT subscriber_id AS user_id,
       CASE kind WHEN 'verification_sms' THEN 'verification' WHEN 'urgent_lead_sms' THEN 'urgent_lead' ELSE kind END AS sms_type,
       provider_id AS twilio_message_sid, recipient AS recipient_phone, body AS message_body,
       CASE state WHEN 'accepted' THEN 'sent' WHEN 'dead' THEN 'failed' WHEN 'parked' THEN 'failed' ELSE state END AS status,
       accepted_at AS sent_at
FROM deliveries WHERE channel = 'sms' AND emptied_at IS NULL;

CREATE OR REPLACE VIEW voice_call_logs AS
SELECT subscriber_id, lead_id, provider_id AS twilio_call_sid,
       CASE kind WHEN 'inbound_call' THEN 'inbound' ELSE 'outbound' END AS direction,
       sender AS from_number, recipient AS to_number,
       CASE state WHEN 'accepted' THEN 'sent' WHEN 'dead' THEN 'failed' WHEN 'parked' THEN 'failed' ELSE state END AS status,
       created_at
FROM deliveries WHERE channel = 'voice' AND emptied_at IS NULL;

CREATE OR REPLACE VIEW token_usage_logs AS
SELECT e.user_id,
       CASE WHEN e.lookup_id IS NOT NULL THEN 'property_lookup'
            WHEN d.channel = 'email' THEN 'email'
            WHEN d.channel = 'sms' THEN 'sms_notification'
            WHEN d.kind = 'inbound_call' THEN 'voice_call_inbound'
            ELSE 'voice_call_outbound' END AS action_type,
       e.tokens AS tokens_used,
       coalesce(d.lead_id, p.id, d.id, e.lookup_id) AS entity_id,
       CASE WHEN d.lead_id IS NOT NULL THEN 'lead'
            WHEN d.id IS NOT NULL THEN 'delivery'
            WHEN p.id IS NOT NULL THEN 'property'
            ELSE 'lookup' END AS entity_type,
       e.created_at
FROM token_entries e
LEFT JOIN deliveries d ON d.id = e.delivery_id
LEFT JOIN lookups l ON l.id = e.lookup_id
LEFT JOIN properties p ON p.folio_number = l.folio_number
WHERE e.entry = 'settle';
