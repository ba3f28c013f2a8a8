"""Whether this process can do its work."""

from consentry.flows.ports import Ports
from consentry.kernel.errors import ConsentryError
from consentry.store.safety import check_reachable


async def ready(ports: Ports) -> str | None:
    """Give why not, or None."""
    if ports.draining():
        return "draining"
    try:
        await check_reachable(ports.database)
    except ConsentryError as error:
        return error.text
    return None
