"""The only door out of the process: one HTTP client with an address guard and exact first-byte control."""
