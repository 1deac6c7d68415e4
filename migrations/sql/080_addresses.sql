-- Addresses: one function makes the key for both sides of a match. street_word(word), which tells 'direction NE',
-- 'type ST' or 'unit APT' of a word, is made from data/street_words.csv by the migration.

CREATE FUNCTION unit_key(unit text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN nullif(ltrim(regexp_replace(
    regexp_replace(upper(unit), '\m(APARTMENT|APT|UNIT|SUITE|STE|NUMBER|NO|ROOM|RM)\M', '', 'g'),
    '[^A-Z0-9]', '', 'g'), '0'), '');
COMMENT ON FUNCTION unit_key IS 'Normal form of a unit: "APT #06-2" and "unit 6-2" are both 62.';

CREATE FUNCTION parse_address(address text, unit text, OUT address_key text, OUT unit_key text)
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    words text[];
    word text;
    house text;
    direction text := '';
    street text := '';
    types text := '';
    units text := '';
    meaning text;
    short text;
    n integer;
BEGIN
    IF address IS NULL THEN
        RETURN;
    END IF;
    -- Dots vanish (S.W. is SW), '#' stands alone, every other mark but the hyphen is a blank.
    words := string_to_array(btrim(regexp_replace(
        replace(replace(plain_upper(address), '.', ''), '#', ' # '),
        '[^A-Z0-9#-]+', ' ', 'g')), ' ');
    n := cardinality(words);
    IF n < 2 OR words[1] !~ '^\d' THEN
        RETURN;
    END IF;
    house := ltrim(words[1], '0');
    FOR i IN 2..n LOOP
        word := words[i];
        IF units <> '' THEN
            units := units || word;
            CONTINUE;
        END IF;
        meaning := street_word(word);
        short := split_part(meaning, ' ', 2);
        IF meaning LIKE 'd%' AND direction = '' AND (street = '' OR types <> '') THEN
            direction := short;                     -- before the street, or after it when none stood before
        ELSIF meaning LIKE 'u%' AND street <> '' THEN
            units := '#' || CASE WHEN short IN ('PH', 'BLDG', 'FL', 'LOT') THEN short ELSE '' END;
        ELSIF meaning LIKE 't%' AND street <> '' AND i > 2 THEN
            types := ltrim(types || ' ' || short);  -- double types are real: AVE RD, ST CIR
        ELSIF types <> '' THEN
            IF word ~ '\d' OR length(word) = 1 THEN
                units := '#' || word;                 -- a bare unit: 3822 SW 79 AVE 105
            ELSE
                street := street || ' ' || types || ' ' || word;  -- not the type yet: AVENUE OF PALMS
                types := '';
            END IF;
        ELSE
            street := ltrim(street || ' ' || CASE WHEN word ~ '^\d+(ST|ND|RD|TH)$'
                                                  THEN regexp_replace(word, '\D', '', 'g') ELSE word END);
        END IF;
    END LOOP;
    IF street = '' THEN
        RETURN;
    END IF;
    address_key := house || '|' || direction || '|' || street || '|' || types;
    unit_key := public.unit_key(coalesce(nullif(btrim(unit), ''), nullif(ltrim(units, '#'), '')));
END $$;

CREATE FUNCTION properties_make_address_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT p.address_key, p.unit_key INTO NEW.address_key, NEW.unit_key FROM parse_address(NEW.address, NEW.unit) p;
    RETURN NEW;
END $$;

CREATE TRIGGER properties_make_address_key BEFORE INSERT OR UPDATE OF address, unit ON properties
    FOR EACH ROW EXECUTE FUNCTION properties_make_address_key();
