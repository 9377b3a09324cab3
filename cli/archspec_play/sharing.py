"""A spec in the part of an address behind `#`, as the page's Share writes it."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping

FORM = "v1="


def fragment(text: str, preset: str | None = None, values: Mapping[str, str] | None = None) -> str:
    """What stands behind `#` for a text with what is chosen of it."""
    content = json.dumps({"text": text, "preset": preset, "values": dict(values or {})}).encode()
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    packed = packer.compress(content) + packer.flush()
    return FORM + base64.urlsafe_b64encode(packed).rstrip(b"=").decode()
