-- demographics.csv in the shape of OneRoster REST 1.2, which is its own.
-- Rule: docs/reference/oneroster_csv.md.
SELECT * FROM raw.demographics
