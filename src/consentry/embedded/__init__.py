"""A private PostgreSQL in the data directory, so that `consentry` runs with nothing but pip.

`binaries` runs a command of PostgreSQL without rights, `folder` knows the files and the locks, `processes` tells a live
server from what a dead one left behind, `cluster` makes the data and its roles, `server` starts, attaches and stops.
"""

from consentry.embedded.folder import EmbeddedServerError
from consentry.embedded.server import EmbeddedServer

__all__ = ["EmbeddedServer", "EmbeddedServerError"]
