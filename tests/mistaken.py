"""What tests of mistakes share: a net to make them in, and the text that a diagnostic marks."""

NET = """
input: {channels: 3, size: 8}
classes: 4
stem: [{conv: {out: 8, kernel: 3}}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""


def stage(block="basic", **arguments):
    listed = ", ".join(f"{k}: {v}" for k, v in {"name": "s", "block": block, "width": 8, **arguments}.items())
    return NET.replace("head:", f"stages: [{{{listed}}}]\nhead:")


def marked(found):
    """The text that a diagnostic is about."""
    span = found.span
    return span.source.line(span.line)[span.column : span.end_column]
