-- The trigger that keeps a run from reopening a lead that a person closed.

CREATE OR REPLACE FUNCTION leads_keep_decision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.reopens_as := NULL;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION leads_keep_decision IS
    'Keeps the status that a person sets. A run that closes or reopens a lead also changes reopens_as, but a person does not.';

CREATE OR REPLACE TRIGGER leads_keep_decision BEFORE UPDATE OF status ON leads FOR EACH ROW
    WHEN (OLD.reopens_as IS NOT NULL AND NEW.reopens_as IS NOT DISTINCT FROM OLD.reopens_as)
    EXECUTE FUNCTION leads_keep_decision();
