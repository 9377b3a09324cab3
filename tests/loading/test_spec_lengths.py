"""Files of the zoo are short: lines without blanks and comments, a line of more than 100 columns counted as several."""

from math import ceil
from statistics import median

from archspec.loading import zoo

MOST = {
    "mobilenet_v2": 30,
    "densenet": 35,
    "efficientnet": 45,
    "convnext": 35,
    "regnet": 60,
    "vit": 40,
    "swin": 50,
    "swin_v2": 50,
    "inception_v3": 112,  # five blocks and a head, each of which the paper draws by itself
}


def lines_of(name: str) -> int:
    lines = [line.rstrip() for line in (zoo.folder() / f"{name}.yaml").read_text(encoding="utf-8").splitlines()]
    return sum(ceil(len(line) / 100) for line in lines if line and not line.lstrip().startswith("#"))


def test_no_file_is_longer_than_promised():
    assert {name: n for name in zoo.names() if (n := lines_of(name)) > MOST.get(name, 90)} == {}


def test_a_file_has_at_most_40_lines_in_the_middle():
    assert median(map(lines_of, zoo.names())) <= 40
