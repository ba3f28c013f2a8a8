"""Decide: facts, policy and now in, decision out. No I/O, no clock, no randomness."""
