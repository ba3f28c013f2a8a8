"""Draws the two machines from their tables into ARCHITECTURE.md: `python -m tests.diagrams`."""

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from consentry.kernel.consent import Event
from consentry.rules import delivery, lifecycle
from consentry.rules.lifecycle import Effect, Switch

DOCUMENT: Final = Path(__file__).parents[1] / "ARCHITECTURE.md"
_SIGNS: Final = {
    Effect.KEEP: "",
    Effect.SET: "set",
    Effect.CLEAR: "clear",
    Effect.CLEAR_IF_EVIDENCED: "clear ¹",
    Effect.CLEAR_SAME_ORIGIN: "clear ²",
}


def message_states() -> str:
    """Draw the message machine; a step that leaves the state as it is has no arrow."""
    moves: dict[tuple[str, str], list[str]] = {}
    for (state, step), after in delivery.TRANSITIONS.items():
        if after is not state:
            moves.setdefault((str(state), str(after)), []).append(str(step))
    arrows = [f"    {before} --> {after}: {', '.join(steps)}" for (before, after), steps in moves.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", *arrows, "```"])


def consent_switches() -> str:
    """Write the consent machine as a table: an event a row, a switch a column."""
    lines = [
        "| event | " + " | ".join(str(switch).replace("_", " ") for switch in Switch) + " |",
        "|---|" + "---|" * len(Switch),
    ]
    for event in Event:
        effects = [_SIGNS[lifecycle.TRANSITIONS[switch, event]] for switch in Switch]
        lines.append(f"| `{event}` | " + " | ".join(effects) + " |")
    notes = [f"{sign[-1]} {effect}" for effect, sign in _SIGNS.items() if sign[-1:] in {"¹", "²"}]
    return "\n".join([*lines, "", "  \n".join(notes)])


DRAWN: Final[Mapping[str, Callable[[], str]]] = {"delivery": message_states, "lifecycle": consent_switches}


def redrawn(text: str) -> str:
    """Give a document with every generated part made anew. Errors: ValueError if one has no place in it."""
    for name, draw in DRAWN.items():
        place = re.compile(rf"(<!-- generated:{name} -->\n).*?(<!-- /generated -->)", re.DOTALL)
        parts = place.split(text)
        if len(parts) != 4:
            raise ValueError(f"the document needs one <!-- generated:{name} --> and its <!-- /generated -->")
        before, opening, closing, after = parts
        text = f"{before}{opening}{draw()}\n{closing}{after}"
    return text


def main() -> None:
    """Print the generated parts and write them into the document."""
    for draw in DRAWN.values():
        sys.stdout.write(draw() + "\n\n")
    DOCUMENT.write_text(redrawn(DOCUMENT.read_text()))


if __name__ == "__main__":
    main()
