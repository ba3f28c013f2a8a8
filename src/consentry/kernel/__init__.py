"""The words: ids, clock, errors, addresses, consent, messages, decisions. Imports nothing of ours."""
