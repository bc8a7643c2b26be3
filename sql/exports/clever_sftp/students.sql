-- Students.csv.
SELECT * FROM student_rows WHERE problem IS NULL
