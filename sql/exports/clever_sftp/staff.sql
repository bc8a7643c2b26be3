-- Staff.csv.
SELECT * FROM staff_rows WHERE problem IS NULL
