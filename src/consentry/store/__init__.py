"""Remember: SQL in, kernel words out. The only importer of asyncpg."""
