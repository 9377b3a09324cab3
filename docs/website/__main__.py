"""`python -m website FOLDER`: gather there what Sphinx reads."""

import sys
from pathlib import Path

from website.gather import gather

gather(Path(sys.argv[1]))
