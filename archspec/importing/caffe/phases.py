"""Which layers a net has when it is used: the rules by which Caffe leaves layers out of training or of testing."""

from __future__ import annotations

from archspec.importing.caffe.text_format import FieldError, Message

TEST = ("TEST", 1)


def in_test(layer: Message) -> bool:
    """Whether a layer is in the net that is used, in the phase TEST, at level 0 and without a stage."""
    included, excluded = _rules(layer, "include"), _rules(layer, "exclude")
    if included:
        return any(map(_met, included))
    return not any(map(_met, excluded))


def _rules(layer: Message, name: str) -> list[Message]:
    return [rule for rule in layer.all(name) if isinstance(rule, Message)]


def _met(rule: Message) -> bool:
    """Whether the state of the net that is used meets a rule; one that cannot be read is met by none."""
    try:
        phase = rule.word("phase", "TEST")
        level = rule.integer("min_level", 0) <= 0 <= rule.integer("max_level", 0)
    except FieldError:
        return False
    return phase in TEST and level and not rule.all("stage")
