"""Speak: one file a provider. Pure: bytes in, signals out; message in, call out; reply in, outcome out."""
