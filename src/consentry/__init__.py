"""A messaging gateway that cannot send without consent."""

__version__ = "0.1.0"
