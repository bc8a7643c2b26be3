"""Delimited text from outside: the one reader of CSV records, with lines and problems."""
