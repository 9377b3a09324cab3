"""What tests of emitted code share: where the golden files are, the rules they keep, and texts that would break out."""

from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"
FAMILIES = GOLDEN / "families"  # model files of the zoo by framework
OVERRIDES = {"resnet18-options-c": {"shortcut": "projection_all", "init.zero_last_norm": True}}
RULES = "E,F,W,I,B,UP,C4,SIM,RUF,PIE,N,D1,ANN,PL,A"


NASTY = [
    '"""',
    "'''",
    "\\",
    "\\N{BULLET}",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "${HOME}",
    "\u2028",
    "#",
    "\x85",
    'r"""',
    '\\"""',
]
