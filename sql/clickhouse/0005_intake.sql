-- Intake: what events carry, and their tables.
SELECT 1;
