"""Every adapter, by name: an explicit table, no import magic."""

from collections.abc import Mapping
from typing import Final

from consentry.channels.adapter import Adapter
from consentry.channels.simulator import Simulator
from consentry.channels.twilio import Twilio

ADAPTERS: Final[Mapping[str, Adapter]] = {"simulator": Simulator(), "twilio": Twilio()}
