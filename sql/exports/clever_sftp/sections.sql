-- Sections.csv.
SELECT * FROM section_rows WHERE problem IS NULL
