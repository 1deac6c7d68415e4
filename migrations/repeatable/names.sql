-- Names of persons and organizations.

CREATE OR REPLACE FUNCTION plain_upper(words text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN upper(CASE WHEN octet_length(words) = char_length(words) THEN words  -- ten times as fast as translate()
                  ELSE translate(words, 'ÁÀÂÄÃÉÈÊËÍÌÎÏÓÒÔÖÕÚÙÛÜÑÇáàâäãéèêëíìîïóòôöõúùûüñç',
                                        'AAAAAEEEEIIIIOOOOOUUUUNCaaaaaeeeeiiiiooooouuuunc') END);
COMMENT ON FUNCTION plain_upper IS
    'Returns the text in capitals without accents, independent of the database''s locale.';

CREATE OR REPLACE FUNCTION name_key(name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT string_agg(word, ' ' ORDER BY word)
    FROM regexp_split_to_table(regexp_replace(plain_upper(name), '[^A-Z0-9]+', ' ', 'g'), ' +') AS word
    WHERE length(word) > 1
);
COMMENT ON FUNCTION name_key IS
    'Returns a key that is equal for two spellings of a name: word order, initials, accents and punctuation do not count.';

-- A name in the Clerk's index is a person's name if it has the form LAST FIRST … and contains no word such as LLC or
-- BANK.
CREATE OR REPLACE FUNCTION is_person(name text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    written text := plain_upper(name);
    word text;
    -- Most names consist of letters and blanks. They need none of the regular expressions, which would take most of the
    -- time.
    is_plain boolean := translate(written, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ ', '') = '';
BEGIN
    IF is_plain THEN
        IF strpos(btrim(written), ' ') = 0 THEN
            RETURN false;
        END IF;
    ELSIF (written ~ '^\s*[A-Z][A-Z''.-]*\s+[A-Z]') IS NOT TRUE OR written ~ '[0-9&]' THEN
        RETURN false;
    ELSE
        written := regexp_replace(written, '\W', ' ', 'g');
    END IF;
    -- PostgreSQL hashes this list once. A regular expression with the same words takes four times as long for each
    -- name.
    FOREACH word IN ARRAY string_to_array(written, ' ') LOOP
        IF word = ANY ('{
            LLC,LLLP,LLP,PLLC,INC,INCORPORATED,CORP,CORPORATION,COMPANY,CO,LTD,LIMITED,LP,PA,PL,PLC,GMBH,SA,NV,BV,USA,
            BANK,BANCORP,NA,FSB,FCU,CREDIT,UNION,MORTGAGE,MTG,LENDING,LENDER,LOAN,LOANS,FUNDING,FINANCIAL,FINANCE,SAVINGS,
            TRUST,TRUSTS,TRUSTEE,TRUSTEES,TRS,TRSTEE,TR,TRE,
            ASSOCIATION,ASSOCIATES,ASSOC,ASSN,CONDOMINIUM,CONDOMINIUMS,CONDO,HOMEOWNERS,OWNERS,HOA,POA,
            HOLDING,HOLDINGS,INVESTMENT,INVESTMENTS,INVESTORS,CAPITAL,EQUITY,EQUITIES,FUND,FUNDS,VENTURE,VENTURES,
            PROPERTIES,PROPERTY,REALTY,REAL,HOMES,HOUSING,RENTALS,DEVELOPMENT,DEVELOPERS,BUILDERS,CONSTRUCTION,
            GROUP,PARTNERS,PARTNERSHIP,ENTERPRISE,ENTERPRISES,INTERNATIONAL,MANAGEMENT,SERVICES,SERVICING,SYSTEMS,SOLUTIONS,
            ACQUISITION,ACQUISITIONS,ASSETS,SERIES,REO,FANNIE,FREDDIE,FEDERAL,NATIONAL,
            COUNTY,MUNICIPALITY,GOVERNMENT,DEPARTMENT,DEPT,DEPARTAMENTO,AUTHORITY,AGENCY,SECRETARY,DISTRICT,
            ADMINISTRATION,COMMISSION,HUD,
            CHURCH,MINISTRY,MINISTRIES,FOUNDATION,UNIVERSITY,COLLEGE,SCHOOL,HOSPITAL,SOCIETY,CLUB,
            INSURANCE,LAW,ESTATE,ESTATES,UNKNOWN}'::text[]) THEN
            RETURN false;
        END IF;
    END LOOP;
    IF is_plain THEN
        written := written || ' ';
        RETURN NOT (starts_with(written, 'CITY OF ') OR starts_with(written, 'TOWN OF ')
                    OR starts_with(written, 'VILLAGE OF ') OR starts_with(written, 'STATE OF ')
                    OR strpos(' ' || written, ' N A ') > 0 OR strpos(' ' || written, ' L L C ') > 0
                    OR strpos(' ' || written, ' P A ') > 0 OR strpos(' ' || written, ' EST OF ') > 0
                    OR strpos(' ' || written, ' UNITED STATES ') > 0 OR strpos(' ' || written, ' U S A ') > 0);
    END IF;
    RETURN written !~ '\mN A\M|\mL L C\M|\mP A\M|\mEST OF\M|^(CITY|TOWN|VILLAGE|STATE) OF\M|\mUNITED STATES\M|\mU S A\M';
END $$;
COMMENT ON FUNCTION is_person IS
    'Returns whether a name is a person''s name. '
    'Returns false for companies, banks, trustees, associations, governments, estates and unknown persons, and for doubtful names.';
