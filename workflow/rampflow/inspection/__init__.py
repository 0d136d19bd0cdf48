"""Looking at results: the report, its pictures, and the check against the records."""
