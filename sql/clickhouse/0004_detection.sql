-- Detection: what points, scores and anomalies carry, and their tables.
SELECT 1;
