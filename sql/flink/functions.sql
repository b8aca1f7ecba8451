-- Functions that score.sql can call; each works on a column of thousands of rows at once. To add your own, see CONTRIBUTING.md, "add a scorer".
-- Give them columns: a call with constants only cannot be run by Flink.

-- (value, expected, spread, seasonal_expected, weight) -> 0..100: distance from what the past says, 50 = 3 spreads, 75 = 9
CREATE TEMPORARY FUNCTION deviation_score AS 'udfs.registry.deviation_score' LANGUAGE PYTHON;
-- (expected, spread, seasonal_expected, weight, band) -> lowest normal value, `band` spreads away; unit of the value
CREATE TEMPORARY FUNCTION deviation_lower AS 'udfs.registry.deviation_lower' LANGUAGE PYTHON;
-- (expected, spread, seasonal_expected, weight, band) -> highest normal value
CREATE TEMPORARY FUNCTION deviation_upper AS 'udfs.registry.deviation_upper' LANGUAGE PYTHON;
-- (value, expected, spread, seasonal_expected, previous, weight) -> 0..100: isolation forest of `anomasec train`; null without a model
CREATE TEMPORARY FUNCTION forest_score AS 'udfs.registry.forest_score' LANGUAGE PYTHON;
-- Takes the view `scores` out of SQL; called by the job, not by score.sql.
CREATE TEMPORARY FUNCTION pack_scores AS 'udfs.registry.pack_scores' LANGUAGE PYTHON;
