-- Phone numbers are stored in E.164. Triggers rewrite the numbers that the app writes.

CREATE OR REPLACE FUNCTION e164(phone text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (
    SELECT CASE WHEN r.match[1] IS NOT NULL THEN '+1' || r.match[1] ELSE '+' || r.match[2] END
    FROM regexp_match(
        regexp_replace(phone, '[ \t\r\n().\-/\u00a0\u200b-\u200f\u2010-\u2015\u202a-\u202f\u2060-\u2069\u2212\ufeff]+', '', 'g'),
        '^(?:(?:(?:\+|011)?1)?([2-9][0-9]{2}[2-9][0-9]{6})|(?:\+|011)([2-9][0-9]{6,13}))$') AS r (match)
);
COMMENT ON FUNCTION e164 IS
    'Returns a phone number in E.164, or null if the text cannot be read as one phone number. '
    'The notifier''s Python function e164 accepts the same strings, and also checks the number''s length in its country.';

-- The workers of the previous release call this function during an upgrade. The next release can drop it.
CREATE OR REPLACE FUNCTION phone_key(phone text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN nullif(right(regexp_replace(phone, '\D', '', 'g'), 10), '');
COMMENT ON FUNCTION phone_key IS 'Returns the last ten digits of a phone number. Only the previous release uses this function.';

CREATE OR REPLACE FUNCTION store_user_numbers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.phone_number := coalesce(e164(NEW.phone_number), NEW.phone_number);
    NEW.twilio_phone_number := coalesce(e164(NEW.twilio_phone_number), NEW.twilio_phone_number);
    RETURN NEW;
END $$;
COMMENT ON FUNCTION store_user_numbers IS
    'Rewrites a subscriber''s phone numbers in E.164. A string that is not a phone number stays unchanged, and nothing is sent to it.';

CREATE OR REPLACE TRIGGER users_numbers BEFORE INSERT OR UPDATE OF phone_number, twilio_phone_number ON users
    FOR EACH ROW EXECUTE FUNCTION store_user_numbers();

CREATE OR REPLACE FUNCTION store_phone_number() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.phone_number := coalesce(e164(NEW.phone_number), NEW.phone_number);
    RETURN NEW;
END $$;
COMMENT ON FUNCTION store_phone_number IS
    'Rewrites the phone number of a lead or consent in E.164. A string that is not a phone number stays unchanged, and is never called.';

CREATE OR REPLACE TRIGGER leads_number BEFORE INSERT OR UPDATE OF phone_number ON leads
    FOR EACH ROW WHEN (NEW.phone_number IS NOT NULL) EXECUTE FUNCTION store_phone_number();
CREATE OR REPLACE TRIGGER call_consents_number BEFORE INSERT OR UPDATE OF phone_number ON call_consents
    FOR EACH ROW EXECUTE FUNCTION store_phone_number();

CREATE OR REPLACE FUNCTION store_suppressed_number() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.address := coalesce(e164(NEW.address), NEW.address);
    RETURN NEW;
END $$;
COMMENT ON FUNCTION store_suppressed_number IS
    'Rewrites a suppression''s phone number in E.164, so that the suppression applies no matter how the number is written.';

CREATE OR REPLACE TRIGGER suppressions_number BEFORE INSERT OR UPDATE OF address ON suppressions
    FOR EACH ROW WHEN (NEW.channel <> 'email') EXECUTE FUNCTION store_suppressed_number();
