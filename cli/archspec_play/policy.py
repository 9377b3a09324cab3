"""The Content-Security-Policy of the page: nothing from elsewhere, nothing sent elsewhere, and no text that becomes markup."""

from __future__ import annotations

RULES = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self' 'nonce-{nonce}'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
)
SERVED = ("frame-ancestors 'none'", "trusted-types 'none'")
EXPORTED = ("worker-src 'self'", "trusted-types core")
"""Its one script beside the page's own is the worker; a policy that stands in a page says nothing of frames."""


def policy(nonce: str, *, exported: bool = False) -> str:
    """The policy of a page whose styles have a nonce."""
    return "; ".join((*RULES, *(EXPORTED if exported else SERVED))).format(nonce=nonce)
