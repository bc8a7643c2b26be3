-- Teachers.csv.
SELECT * FROM teacher_rows WHERE problem IS NULL
