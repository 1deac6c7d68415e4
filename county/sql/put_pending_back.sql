-- Put back what set_pending_aside.sql has set aside.
INSERT INTO pending_folios SELECT * FROM folios_aside;
INSERT INTO pending_cases SELECT * FROM cases_aside
