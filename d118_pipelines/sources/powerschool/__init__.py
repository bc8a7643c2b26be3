"""PowerSchool SIS: one set of queries, an Oracle source and an embedded one."""
