-- Addresses: one function makes the key for both sides of a match. street_word(word), which tells 'direction NE',
-- 'type ST', 'unit APT' or 'number 8' of a word, is made from data/street_words.csv by the migration.

CREATE EXTENSION IF NOT EXISTS fuzzystrmatch;

CREATE OR REPLACE FUNCTION unit_key(unit text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN nullif(regexp_replace(btrim(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(
    upper(unit),
    -- A building before a unit is part of its number: BLDG 1 APT 5 is 1-5.
    '\m(?:BUILDING|BLDG|TOWER|TWR)[^A-Z0-9]*([A-Z0-9]+)[^A-Z0-9]+(?=[A-Z#]*[^A-Z0-9]*[0-9])', '\1-'),
    '\m(?:APARTMENT|APT|UNIT|SUITE|STE|NUMBER|NUM|NO|ROOM|RM)\.?(?![A-Z])', ' ', 'g'),
    '\m(P)ENT(H)OUSE\M|\m(T)OWN(H)OUSE\M|\m(FL)(?:OO)?R\M', '\1\2\3\4\5', 'g'),
    -- Figures and letters are parts of their own: 11K, 11-K and 11 K are one unit, 6-2 and 62 are two.
    '([0-9])(?=[A-Z])|([A-Z])(?=[0-9])', '\1\2-', 'g'),
    '[^A-Z0-9]+', '-', 'g'), '-'),
    '(^|-)0+(?=[0-9])', '\1', 'g'), '');
COMMENT ON FUNCTION unit_key IS 'Normal form of a unit: "APT #06-2" and "unit 6-2" are both 6-2.';

CREATE OR REPLACE FUNCTION plain_address(address text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    t text;
    short text;
BEGIN
    -- Dots vanish (S.W. is SW), '#' stands alone, a half belongs to its number, every other mark is a blank.
    t := replace(replace(replace(plain_upper(address), '.', ''), '''', ''), '#', ' # ');
    IF strpos(t, '/') > 0 THEN
        t := regexp_replace(t, '^\s*(\d+)[ -]+1/2\M', '\1½');
    END IF;
    -- 1234 - 1236, 1234 & 1236
    t := regexp_replace(t, '^\s*(\d+)(?:\s*[&-]\s*|/)(\d+)(?=\s)', '\1-\2');
    t := btrim(regexp_replace(t, '[^A-Z0-9#½-]+', ' ', 'g'));
    -- State, ZIP and city at the end belong to other columns.
    short := regexp_replace(t, '(?: (?:FL|FLA|FLORIDA)(?: 3[234]\d{3}(?:-?\d{4})?)?| 33[012]\d\d(?:-\d{4})?)$', '');
    short := regexp_replace(short, '^(\S+ \S+ \S+.*?) (?:(?:N|NORTH|S|SOUTH|W|WEST) MIAMI(?: BEACH)?|MIAMI'
        || '(?: BEACH| SPRINGS| SHORES| LAKES| GARDENS)?|CORAL GABLES|HIALEAH(?: GARDENS)?|OPA-? ?LOCKA|HOMESTEAD|'
        || 'BAL HARBOUR|SURFSIDE|FLORIDA CITY|PINECREST|KEY BISCAYNE|SWEETWATER|AVENTURA|SUNNY ISLES(?: BEACH)?|'
        || 'PALMETTO BAY|DORAL|CUTLER BAY|NORTH BAY VILLAGE|BAY HARBOR ISLANDS)$', '\1');
    IF t !~ '^[0-9]' THEN
        short := regexp_replace(short, '^(?:#|APT|APARTMENT|UNIT|STE|SUITE) ?# ?([A-Z0-9-]+) (\d.*)$', '\2 # \1');
        short := regexp_replace(short, '^(?:#|APT|APARTMENT|UNIT|STE|SUITE) ([A-Z0-9-]+) (\d.*)$', '\2 # \1');
    END IF;
    -- N W 7 ST, NW7 ST
    short := regexp_replace(short, '^(\S+) (N|NORTH|S|SOUTH) (E|EAST|W|WEST) (?=\d)', '\1 \2\3 ');
    short := regexp_replace(short, '^(\S+) ([NS][EW]|[NSEW])(?=\d)', '\1 \2 ');
    -- 22AVE, 8ST (no ordinal ends so)
    short := regexp_replace(short, '^(\S+ \S+ \d+)(AVE?|TERR?|CT|PL|LN)\M', '\1 \2');
    short := regexp_replace(short, '^(\S+ [NSEW]{1,2} \d*[04-9])ST(?= #| APT| UNIT|$)', '\1 ST');
    -- Highways by number: US HIGHWAY 1, STATE ROAD 7, SR A1A
    IF short ~ '\m(?:US|SR|CR|STATE|COUNTY|HWY|HIGHWAY|U S)\M|A1A' THEN
        short := regexp_replace(short, '\m(?:US|U S)[ -]?(?:HWY|HIGHWAY|ROUTE|RTE|RT)?[ -]?(\d+)\M', 'US\1');
        short := regexp_replace(short, '\m(?:SR|STATE (?:ROAD|RD|ROUTE|HWY|HIGHWAY))[ -]?(\d+|A1A)\M', 'SR\1');
        short := regexp_replace(short, '\m(?:CR|COUNTY (?:ROAD|RD))[ -]?(\d+)\M', 'CR\1');
        short := regexp_replace(short, '\m(?:(?:HWY|HIGHWAY) )?A1A\M', 'SRA1A');
    END IF;
    RETURN short;
END $$;
COMMENT ON FUNCTION plain_address IS
    'The address in capitals, blanks between words, without city, state and ZIP: what parse_address reads word by word.';

CREATE OR REPLACE FUNCTION last_house(first text, last text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN first ~ '^\d+$' AND last ~ '^\d{2,}$' AND length(last) <= length(first) THEN (
        SELECT CASE WHEN (b - a) % 2 = 0 AND b - a BETWEEN 2 AND 20 THEN b::text END
        FROM (SELECT first::bigint AS a, (left(first, length(first) - length(last)) || last)::bigint AS b) ends)
END;
COMMENT ON FUNCTION last_house IS
    'The other end of a range of houses on one side of a street: 7538, 40 give 7540. Null when it is none, but a unit.';

CREATE OR REPLACE FUNCTION common_address_key(address text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN address ~ '^[1-9]\d* (?:[NS][EW]|[NSEW]) [1-9]\d* (?:ST|AVE|TER|CT|LN|PL|DR|RD|WAY|PATH|CIR)$'
    THEN replace(address, ' ', '|')
END;
COMMENT ON FUNCTION common_address_key IS
    'The key of an address as most parcels write it, whose words are the key, at a tenth of the time of parse_address; else null.';

CREATE OR REPLACE FUNCTION parse_address(
    address text, unit text, OUT address_key text, OUT unit_key text, OUT range_key text
) LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    words text[];
    word text;
    house text;
    house_to text;
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
    address_key := common_address_key(address);
    IF address_key IS NOT NULL THEN
        IF unit <> '' THEN
            unit_key := nullif(public.unit_key(unit), split_part(address, ' ', 1));
        END IF;
        RETURN;
    END IF;
    words := string_to_array(plain_address(address), ' ');
    n := cardinality(words);
    IF n < 2 OR words[1] !~ '^\d+(?:½|[A-Z]|-[A-Z0-9]+)?$' THEN
        RETURN;
    END IF;
    house := ltrim(substring(words[1] FROM '^\d+½?'), '0');
    IF house = '' OR house = '½' THEN
        RETURN;
    END IF;
    short := ltrim(substr(words[1], length(substring(words[1] FROM '^\d+½?')) + 1), '-');
    IF short <> '' THEN
        house_to := last_house(house, short);
        IF house_to IS NULL THEN
            units := '#' || short;
        END IF;
    END IF;
    FOR i IN 2..n LOOP
        word := words[i];
        meaning := street_word(word);
        short := split_part(meaning, ' ', 2);
        IF strpos(units, ' ') > 0 THEN
            units := units || ' ' || word;
            CONTINUE;
        END IF;
        IF meaning LIKE 'd%' AND street = '' AND direction = ''
           AND i < n AND coalesce(street_word(words[i + 1]), '') !~ '^[tu]' THEN
            direction := short;
        ELSIF meaning LIKE 'd%' AND types <> '' AND direction = '' THEN
            direction := short;                     -- behind the street: 8 ST SW
        ELSIF meaning LIKE 'u%' AND street <> '' THEN
            units := units || ' ' || word;
        ELSIF meaning LIKE 't%' AND street <> '' AND NOT (street ~ '^\d+$' AND types ~ ' ') THEN
            -- Double types are real: AVE RD, ST CIR. A numbered trail is a terrace.
            types := ltrim(types || ' ' || CASE WHEN word = 'TR' AND street ~ '^\d+$' THEN 'TER' ELSE short END);
        ELSIF types <> '' THEN
            IF word ~ '\d' OR length(word) = 1 OR street ~ '^\d+$' THEN
                units := units || ' ' || word;       -- a bare unit: 3822 SW 79 AVE 105
            ELSE
                street := street || ' ' || types || ' ' || word;  -- not the type yet: AVENUE OF PALMS
                types := '';
            END IF;
        ELSIF word ~ '\d' AND street ~ '^\D+ \D+$' THEN
            units := units || ' ' || word;           -- no type at all: CALLE OCHO 3H
        ELSIF word IN ('TH', 'ND') AND street ~ '^\d+$' THEN
            CONTINUE;                                -- 8 TH ST
        ELSE
            street := ltrim(street || ' ' || CASE
                WHEN word ~ '^\d+(?:ST|ND|RD|TH)?$' THEN coalesce(nullif(ltrim(regexp_replace(word, '\D', '', 'g'), '0'), ''), '0')
                WHEN meaning LIKE 'd%' THEN short
                WHEN word = 'ST' AND street = '' THEN 'SAINT'
                ELSE replace(word, '-', '') END);
        END IF;
    END LOOP;
    IF street = '' THEN
        RETURN;
    END IF;
    meaning := street_word(street);
    IF meaning LIKE 'n%' AND types <> '' THEN
        street := split_part(meaning, ' ', 2);       -- EIGHTH ST
    END IF;
    street := '|' || direction || '|' || street || '|' || types;
    address_key := house || street;
    range_key := house_to || street;
    unit_key := nullif(public.unit_key(coalesce(nullif(btrim(unit), ''), nullif(ltrim(units, '# '), ''))), house);
END $$;
COMMENT ON FUNCTION parse_address IS
    'house|direction|name|type of an address and the normal form of its unit; range_key is that of the other end of a range such as 7538-40.';

CREATE OR REPLACE FUNCTION properties_make_address_key() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    parsed record;
BEGIN
    IF NEW.unit IS NULL THEN
        NEW.address_key := common_address_key(NEW.address);
        IF NEW.address_key IS NOT NULL THEN
            NEW.unit_key := NULL;
            RETURN NEW;
        END IF;
    END IF;
    parsed := parse_address(NEW.address, NEW.unit);  -- a SELECT would cost twice as much
    NEW.address_key := parsed.address_key;
    NEW.unit_key := parsed.unit_key;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER properties_make_address_key_of_new BEFORE INSERT ON properties
    FOR EACH ROW WHEN (NEW.address IS NOT NULL) EXECUTE FUNCTION properties_make_address_key();
CREATE OR REPLACE TRIGGER properties_make_address_key_again BEFORE UPDATE OF address, unit ON properties
    FOR EACH ROW WHEN ((OLD.address, OLD.unit) IS DISTINCT FROM (NEW.address, NEW.unit))
    EXECUTE FUNCTION properties_make_address_key();

CREATE OR REPLACE FUNCTION is_misspelling(written text, meant text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE levenshtein_less_equal(written, meant, 2)
    WHEN 0 THEN true
    WHEN 1 THEN least(length(written), length(meant)) >= 5
    WHEN 2 THEN least(length(written), length(meant)) >= 9
                -- Neighbours that changed places count as one slip.
                OR length(written) = length(meant) AND length(meant) >= 5 AND EXISTS (
                    SELECT FROM generate_series(1, length(meant) - 1) AS i
                    WHERE overlay(written PLACING substr(written, i + 1, 1) || substr(written, i, 1) FROM i FOR 2)
                          = meant)
    ELSE false
END;
COMMENT ON FUNCTION is_misspelling IS
    'Whether a street name (no blanks) is another with one slip of the pen, or two in a long one.';
