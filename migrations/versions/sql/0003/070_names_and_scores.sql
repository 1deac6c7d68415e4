-- Small rules that both sides share.

CREATE OR REPLACE FUNCTION new_york_day(moment timestamptz) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (moment AT TIME ZONE 'America/New_York')::date;

CREATE OR REPLACE FUNCTION phone_key(phone text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN nullif(right(regexp_replace(phone, '\D', '', 'g'), 10), '');
COMMENT ON FUNCTION phone_key IS 'The last ten digits: the same for every way to write an American number.';

CREATE OR REPLACE FUNCTION lead_base_score(lead_type text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE lead_type
    WHEN 'probate' THEN 95
    WHEN 'foreclosure' THEN 90
    WHEN 'new_homeowner' THEN 85
    WHEN 'eviction' THEN 75
    WHEN 'indebtedness' THEN 70
    WHEN 'verdict' THEN 70
    ELSE 0
END;

CREATE OR REPLACE FUNCTION calculate_lead_score(
    lead_type text, lead_date date, estimated_equity numeric, engagement_count integer
) RETURNS integer LANGUAGE sql STABLE PARALLEL SAFE
RETURN least(100, greatest(0,
    round(lead_base_score(lead_type) * CASE
        WHEN new_york_day(now()) - lead_date <= 30 THEN 1
        WHEN new_york_day(now()) - lead_date <= 60 THEN 0.75
        WHEN new_york_day(now()) - lead_date <= 90 THEN 0.5
        ELSE 0.1
    END)::integer
    + CASE WHEN estimated_equity >= 100000 THEN 15 ELSE 0 END
    + least(2 * coalesce(engagement_count, 0), 10)));
COMMENT ON FUNCTION calculate_lead_score IS
    '0 to 100: base by type times freshness (age in New York days), more for equity and for engagement.';

CREATE OR REPLACE FUNCTION plain_upper(words text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN upper(CASE WHEN octet_length(words) = char_length(words) THEN words  -- at a tenth of the cost
                  ELSE translate(words, 'ÁÀÂÄÃÉÈÊËÍÌÎÏÓÒÔÖÕÚÙÛÜÑÇáàâäãéèêëíìîïóòôöõúùûüñç',
                                        'AAAAAEEEEIIIIOOOOOUUUUNCaaaaaeeeeiiiiooooouuuunc') END);
COMMENT ON FUNCTION plain_upper IS 'Upper case without accents, the same under every locale of the database.';

-- A name of the Clerk's index is a person's when it looks like LAST FIRST … and holds no word of an organisation.
CREATE OR REPLACE FUNCTION is_person(name text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    written text := plain_upper(name);
    word text;
BEGIN
    IF (written ~ '^\s*[A-Z][A-Z''.-]*\s+[A-Z]') IS NOT TRUE OR written ~ '[0-9&]' THEN
        RETURN false;
    END IF;
    IF written ~ '[^A-Z ]' THEN
        written := regexp_replace(written, '\W', ' ', 'g');
    END IF;
    -- A long list is hashed once; a regular expression of as many words takes four times as long for each name.
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
    RETURN written !~ '\mN A\M|\mL L C\M|\mP A\M|\mEST OF\M|^(CITY|TOWN|VILLAGE|STATE) OF\M|\mUNITED STATES\M|\mU S A\M';
END $$;
COMMENT ON FUNCTION is_person IS
    'False for companies, banks, trustees, associations, governments, estates and unknown persons; in doubt false.';
