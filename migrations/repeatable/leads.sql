-- Who may open a closed lead again.

CREATE OR REPLACE FUNCTION leads_keep_decision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.reopens_as := NULL;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION leads_keep_decision IS
    'Keeps the status that a person sets: a run that closes or reopens a lead changes reopens_as too, a person does not.';

CREATE OR REPLACE TRIGGER leads_keep_decision BEFORE UPDATE OF status ON leads FOR EACH ROW
    WHEN (OLD.reopens_as IS NOT NULL AND NEW.reopens_as IS NOT DISTINCT FROM OLD.reopens_as)
    EXECUTE FUNCTION leads_keep_decision();
