"""District 118's roster sync: from PowerSchool to its vendors, as a Dagster project."""
