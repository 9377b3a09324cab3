"""`python -m website FOLDER [--play]`: gather there what Sphinx reads; its specs open in a playground beside the pages."""

import sys
from pathlib import Path

from website.gather import gather

gather(Path(sys.argv[1]), play=sys.argv[2:] == ["--play"])
