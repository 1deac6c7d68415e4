-- What decides about leads from court files.

CREATE FUNCTION was_sold(folio text, since date, known_on date) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN EXISTS (
    SELECT FROM document_versions d JOIN document_types t ON t.code = d.document_code
    WHERE d.folio = was_sold.folio AND d.is_live AND d.recorded_on > since AND d.business_date <= known_on
      AND (t.is_conveyance AND sale_price(d.consideration_1, d.deed_doc_tax) IS NOT NULL
           OR t.transaction = 'certificate_of_title')
);
COMMENT ON FUNCTION was_sold IS
    'Whether a priced conveyance or a certificate of title, known by the business date known_on, was recorded after since.';

CREATE FUNCTION name_key(name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT string_agg(word, ' ' ORDER BY word)
    FROM regexp_split_to_table(regexp_replace(plain_upper(name), '[^A-Z0-9]+', ' ', 'g'), ' +') AS word
    WHERE length(word) > 1
);
COMMENT ON FUNCTION name_key IS
    'Equal for two writings of a name: order of the words, initials, accents and marks do not count.';
