"""Plain CSV files made by people: spreadsheets with any header that aliases explain."""
