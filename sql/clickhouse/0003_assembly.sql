-- Assembly: what transactions carry, and their tables.
SELECT 1;
