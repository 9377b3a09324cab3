"""Helpers without the options that a file makes no use of."""

from __future__ import annotations

from archspec_torch.emit.helpers import HELPERS

PLAINER = {
    ("DropPath", "per_batch"): '''class DropPath(nn.Module):
    """In training, drop samples with probability p; divide what is kept by 1 - p."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, ...) to the same shape."""
        if not self.training or self.p == 0.0:
            return x
        keep = torch.rand(x.shape[0], *(1 for _ in x.shape[1:]), device=x.device) >= self.p
        return x * keep.to(x.dtype) / (1.0 - self.p)''',
    (
        "biased_attention",
        "mask",
    ): '''def biased_attention(query: Tensor, key: Tensor, value: Tensor, heads: int, bias: Tensor) -> Tensor:
    """Attend from (..., L, D) in several heads, with a bias (heads, L, L)."""
    q, k, v = (torch.unflatten(x, -1, (heads, -1)).transpose(-3, -2) for x in (query, key, value))
    x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    return x.transpose(-3, -2).flatten(-2)''',
}
"""By the helper and its option."""


def helpers_for(text: str) -> dict[str, str]:
    """The source of each helper by its name, as a file with this text of its own needs it."""
    plainer = {helper: source for (helper, option), source in PLAINER.items() if f"{option}=" not in text}
    return {**HELPERS, **plainer}
