-- requires: names, street_words
-- afterwards: CALL refresh_address_keys()
--
-- Addresses. One function calculates the keys of both addresses in a match. The table properties stores the keys of its
-- addresses, so when this file changes, the migration recalculates them (refresh_address_keys).

CREATE OR REPLACE FUNCTION unit_key(unit text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN length(unit) <= 100 THEN
nullif(regexp_replace(btrim(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(
    upper(unit),
    -- The building number becomes part of the unit number, so BLDG 1 APT 5 is 1-5.
    '\m(?:BUILDING|BLDG|TOWER|TWR)[^A-Z0-9]*([A-Z0-9]+)[^A-Z0-9]+(?=[A-Z#]*[^A-Z0-9]*[0-9])', '\1-'),
    '\m(?:APARTMENT|APT|UNIT|SUITE|STE|NUMBER|NUM|NO|ROOM|RM)\.?(?![A-Z])', ' ', 'g'),
    '\m(P)ENT(H)OUSE\M|\m(T)OWN(H)OUSE\M|\m(FL)(?:OO)?R\M', '\1\2\3\4\5', 'g'),
    -- Split digits from letters, so that 11K, 11-K and 11 K are the same unit. 6-2 and 62 are different units.
    '([0-9])(?=[A-Z])|([A-Z])(?=[0-9])', '\1\2-', 'g'),
    '[^A-Z0-9]+', '-', 'g'), '-'),
    '(^|-)0+(?=[0-9])', '\1', 'g'), '')
END;
COMMENT ON FUNCTION unit_key IS
    'Returns the normal form of a unit, such as 6-2 for "APT #06-2" and for "unit 6-2". Returns null for a unit with more '
    'than 100 characters.';

CREATE OR REPLACE FUNCTION plain_address(address text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    t text;
    short text;
BEGIN
    -- No address is longer than this. On a very long text, the expressions below would take minutes.
    IF length(address) > 300 THEN
        RETURN NULL;
    END IF;
    -- Remove dots (S.W. becomes SW), put blanks around '#', join 1/2 to its number, replace other punctuation with
    -- blanks.
    t := replace(replace(replace(plain_upper(address), '.', ''), '''', ''), '#', ' # ');
    IF strpos(t, '/') > 0 THEN
        t := regexp_replace(t, '^\s*(\d+)[ -]+1/2\M', '\1½');
    END IF;
    -- Write a range as 1234-1236, from 1234 - 1236 or 1234 & 1236.
    t := regexp_replace(t, '^\s*(\d+)(?:\s*[&-]\s*|/)(\d+)(?=\s)', '\1-\2');
    t := btrim(regexp_replace(t, '[^A-Z0-9#½-]+', ' ', 'g'));
    -- Remove state, ZIP and city at the end: other columns hold them.
    short := regexp_replace(t, '(?: (?:FL|FLA|FLORIDA)(?: 3[234]\d{3}(?:-?\d{4})?)?| 33[012]\d\d(?:-\d{4})?)$', '');
    short := regexp_replace(short, '^(\S+ \S+ \S+.*?) (?:(?:N|NORTH|S|SOUTH|W|WEST) MIAMI(?: BEACH)?|MIAMI'
        || '(?: BEACH| SPRINGS| SHORES| LAKES| GARDENS)?|CORAL GABLES|HIALEAH(?: GARDENS)?|OPA-? ?LOCKA|HOMESTEAD|'
        || 'BAL HARBOUR|SURFSIDE|FLORIDA CITY|PINECREST|KEY BISCAYNE|SWEETWATER|AVENTURA|SUNNY ISLES(?: BEACH)?|'
        || 'PALMETTO BAY|DORAL|CUTLER BAY|NORTH BAY VILLAGE|BAY HARBOR ISLANDS)$', '\1');
    IF t !~ '^[0-9]' THEN
        short := regexp_replace(short, '^(?:#|APT|APARTMENT|UNIT|STE|SUITE) ?# ?([A-Z0-9-]+) (\d.*)$', '\2 # \1');
        short := regexp_replace(short, '^(?:#|APT|APARTMENT|UNIT|STE|SUITE) ([A-Z0-9-]+) (\d.*)$', '\2 # \1');
    END IF;
    -- Write NW 7 ST for N W 7 ST and NW7 ST.
    short := regexp_replace(short, '^(\S+) (N|NORTH|S|SOUTH) (E|EAST|W|WEST) (?=\d)', '\1 \2\3 ');
    short := regexp_replace(short, '^(\S+) ([NS][EW]|[NSEW])(?=\d)', '\1 \2 ');
    -- Split 22AVE and 8ST, but not an ordinal such as 1ST.
    short := regexp_replace(short, '^(\S+ \S+ \d+)(AVE?|TERR?|CT|PL|LN)\M', '\1 \2');
    short := regexp_replace(short, '^(\S+ [NSEW]{1,2} \d*[04-9])ST(?= #| APT| UNIT|$)', '\1 ST');
    -- Write numbered highways as one word, such as US1 for US HIGHWAY 1 and SR7 for STATE ROAD 7.
    IF short ~ '\m(?:US|SR|CR|STATE|COUNTY|HWY|HIGHWAY|U S)\M|A1A' THEN
        short := regexp_replace(short, '\m(?:US|U S)[ -]?(?:HWY|HIGHWAY|ROUTE|RTE|RT)?[ -]?(\d+)\M', 'US\1');
        short := regexp_replace(short, '\m(?:SR|STATE (?:ROAD|RD|ROUTE|HWY|HIGHWAY))[ -]?(\d+|A1A)\M', 'SR\1');
        short := regexp_replace(short, '\m(?:CR|COUNTY (?:ROAD|RD))[ -]?(\d+)\M', 'CR\1');
        short := regexp_replace(short, '\m(?:(?:HWY|HIGHWAY) )?A1A\M', 'SRA1A');
    END IF;
    RETURN short;
END $$;
COMMENT ON FUNCTION plain_address IS
    'Returns the address in capitals, with one blank between words and without city, state and ZIP. '
    'This is the input of parse_address. Returns null for an address with more than 300 characters.';

CREATE OR REPLACE FUNCTION last_house(first text, last text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    -- Nine digits fit an integer, and no house number has more.
    WHEN first ~ '^[0-9]{1,9}$' AND last ~ '^[0-9]{2,9}$' AND length(last) <= length(first) THEN (
        SELECT CASE WHEN (b - a) % 2 = 0 AND b - a BETWEEN 2 AND 20 THEN b::text END
        FROM (SELECT first::bigint AS a, (left(first, length(first) - length(last)) || last)::bigint AS b) ends)
END;
COMMENT ON FUNCTION last_house IS
    'Returns the last house number of a range on one side of a street, such as 7540 for 7538 and 40. '
    'Returns null when the second number is a unit.';

CREATE OR REPLACE FUNCTION common_address_key(address text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN address ~ '^[1-9]\d{0,8} (?:[NS][EW]|[NSEW]) [1-9]\d{0,4} (?:ST|AVE|TER|CT|LN|PL|DR|RD|WAY|PATH|CIR)$'
    THEN replace(address, ' ', '|')
END;
COMMENT ON FUNCTION common_address_key IS
    'Returns the key of an address in the most common form, and null for other forms. '
    'This is ten times as fast as parse_address.';

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
    IF n IS NULL OR n < 2 OR words[1] !~ '^\d+(?:½|[A-Z]|-[A-Z0-9]+)?$' THEN
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
            direction := short;                     -- after the street: 8 ST SW
        ELSIF meaning LIKE 'u%' AND street <> '' THEN
            units := units || ' ' || word;
        ELSIF meaning LIKE 't%' AND street <> '' AND NOT (street ~ '^\d+$' AND types ~ ' ') THEN
            -- Some streets have two types, such as AVE RD or ST CIR. TR after a number means terrace, not trail.
            types := ltrim(types || ' ' || CASE WHEN word = 'TR' AND street ~ '^\d+$' THEN 'TER' ELSE short END);
        ELSIF types <> '' THEN
            IF word ~ '\d' OR length(word) = 1 OR street ~ '^\d+$' THEN
                units := units || ' ' || word;       -- a unit without a unit word, such as 105 in 3822 SW 79 AVE 105
            ELSE
                street := street || ' ' || types || ' ' || word;  -- not the type: AVENUE OF PALMS
                types := '';
            END IF;
        ELSIF word ~ '\d' AND street ~ '^\D+ \D+$' THEN
            units := units || ' ' || word;           -- a street without a type, such as CALLE OCHO 3H
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
    'Returns the key of an address (house|direction|name|type) and the normal form of its unit. range_key is the key of the last house in a range such as 7538-40. '
    'All are null for an address with more than 300 characters.';

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
    parsed := parse_address(NEW.address, NEW.unit);  -- an assignment is twice as fast as SELECT INTO
    NEW.address_key := parsed.address_key;
    NEW.unit_key := parsed.unit_key;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER properties_make_address_key_of_new BEFORE INSERT ON properties
    FOR EACH ROW WHEN (NEW.address IS NOT NULL AND NEW.address_key IS NULL) EXECUTE FUNCTION properties_make_address_key();

CREATE OR REPLACE TRIGGER properties_make_address_key_again BEFORE UPDATE OF address, unit ON properties
    FOR EACH ROW WHEN ((OLD.address, OLD.unit) IS DISTINCT FROM (NEW.address, NEW.unit))
    EXECUTE FUNCTION properties_make_address_key();

CREATE OR REPLACE PROCEDURE refresh_address_keys(batch_size integer DEFAULT 20000) LANGUAGE plpgsql AS $$
DECLARE
    first_id bigint;
    last_id bigint := 0;
BEGIN
    LOOP
        first_id := last_id;
        SELECT max(b.id) INTO last_id
        FROM (SELECT id FROM properties WHERE id > first_id ORDER BY id LIMIT batch_size) b;
        EXIT WHEN last_id IS NULL;
        UPDATE properties p
        SET address_key = k.address_key, unit_key = k.unit_key
        FROM (
            SELECT o.id, n.address_key, n.unit_key
            FROM properties o CROSS JOIN LATERAL parse_address(o.address, o.unit) n
            WHERE o.id > first_id AND o.id <= last_id
              AND (o.address_key, o.unit_key) IS DISTINCT FROM (n.address_key, n.unit_key)
        ) k
        WHERE p.id = k.id;
        COMMIT;
    END LOOP;
END $$;
COMMENT ON PROCEDURE refresh_address_keys IS
    'Recalculates the stored address keys of all properties, writes the keys that changed, and commits after each batch of rows.';

-- A regular expression would take as long as the rest of the work on an address.
CREATE OR REPLACE FUNCTION street_of(address text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN length(address) <= 200 AND strpos(address, ' ') BETWEEN 2 AND 10 AND left(address, 1) <> '0'
         AND translate(split_part(address, ' ', 1), '0123456789', '') = ''
         AND translate(substr(address, strpos(address, ' ') + 1, 1), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', '') = ''
    THEN substr(address, strpos(address, ' ') + 1)
END;
COMMENT ON FUNCTION street_of IS
    'Returns the address without its house number. Returns null if the address does not begin with a plain house number, one '
    'blank and a capital letter.';

CREATE OR REPLACE FUNCTION street_key(street text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
-- Parse the street with a house number that is no unit, because parse_address ignores a unit that equals the house number.
RETURN CASE WHEN street !~ '987654321' THEN (
    SELECT substr(k.address_key, 10) FROM parse_address('987654321 ' || street, NULL) k WHERE k.unit_key IS NULL)
END;
COMMENT ON FUNCTION street_key IS
    'Returns the key of a street (street_of), such as |SW|8|ST for SW 8TH ST. A house number and this key are the key of an '
    'address. Returns null if the text contains a unit, and if it is no street.';

CREATE OR REPLACE FUNCTION is_misspelling(written text, meant text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE CASE WHEN greatest(length(written), length(meant)) <= 255 THEN levenshtein_less_equal(written, meant, 2) END
    WHEN 0 THEN true
    WHEN 1 THEN least(length(written), length(meant)) >= 5
    WHEN 2 THEN least(length(written), length(meant)) >= 9
                -- Two swapped adjacent letters count as one error.
                OR length(written) = length(meant) AND length(meant) >= 5 AND EXISTS (
                    SELECT FROM generate_series(1, length(meant) - 1) AS i
                    WHERE overlay(written PLACING substr(written, i + 1, 1) || substr(written, i, 1) FROM i FOR 2)
                          = meant)
    ELSE false
END;
COMMENT ON FUNCTION is_misspelling IS
    'Returns whether a street name differs from another by one typing error, or by two if the name is long. '
    'Both names must have no blanks. Returns false for a name with more than 255 letters, which levenshtein refuses.';
