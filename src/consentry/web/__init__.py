"""HTTP in: msgspec in and out, no decisions. Errors become HTTP in one table."""
