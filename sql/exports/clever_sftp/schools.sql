-- Schools.csv.
SELECT * FROM school_rows WHERE problem IS NULL
