"""What ARCHITECTURE.md draws is what the tables say."""

import pytest
from tests import diagrams

from consentry.rules import delivery


def test_the_drawn_machines_are_the_tables() -> None:
    text = diagrams.DOCUMENT.read_text()
    assert diagrams.redrawn(text) == text, "run: python -m tests.diagrams"


def test_drawing_twice_changes_nothing() -> None:
    text = "a\n<!-- generated:delivery -->\nold\n<!-- /generated -->\nb\n<!-- generated:lifecycle -->\n<!-- /generated -->\nc\n"
    once = diagrams.redrawn(text)
    assert diagrams.redrawn(once) == once
    assert once.startswith("a\n")
    assert "old" not in once
    assert once.endswith("c\n")


@pytest.mark.parametrize("text", ["", "<!-- generated:delivery -->\n<!-- /generated -->\n"])
def test_a_document_without_a_place_for_a_machine_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="generated:"):
        diagrams.redrawn(text)


def test_every_move_has_its_arrow_and_only_moves_have_one() -> None:
    drawn = diagrams.message_states()
    moves = [(b, step, a) for (b, step), a in delivery.TRANSITIONS.items() if a is not b]
    shown = [
        (before, step, after)
        for line in drawn.splitlines()
        if "-->" in line
        for before, _, rest in [line.strip().partition(" --> ")]
        for after, _, steps in [rest.partition(": ")]
        for step in steps.split(", ")
    ]
    assert sorted(shown) == sorted((str(b), str(s), str(a)) for b, s, a in moves)
