-- Enrollments.csv.
SELECT * FROM enrollment_rows WHERE problem IS NULL
