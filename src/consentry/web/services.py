"""What handlers work with: the flows of this process, built once by `app`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from consentry.flows.accept import Acceptor
from consentry.flows.consents import Checker
from consentry.flows.ports import Ports
from consentry.flows.receive import Receiver
from consentry.kernel.directory import Principal
from consentry.web.auth import Authenticator


class Provider(msgspec.Struct, frozen=True):
    """What the web must know of an adapter: its channels, its configuration, and what it refuses beforehand."""

    channels: frozenset[str]
    configuration: type[msgspec.Struct]
    precheck: Callable[[str, str], int | None]


@dataclass(frozen=True)
class Services:
    """The flows."""

    ports: Ports
    acceptor: Acceptor
    receiver: Receiver
    checker: Checker
    authenticator: Authenticator
    providers: Mapping[str, Provider]


Given = NamedDependency[SkipValidation[Services]]
"""The flows, as a handler's argument."""
Caller = NamedDependency[SkipValidation[Principal]]
"""Who asks, as a handler's argument."""
