"""What the service does: one verb, one file; a flow owns its transaction."""
