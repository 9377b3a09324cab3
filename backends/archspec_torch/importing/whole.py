"""Modules that are one operation of archspec, or one block of its library, whatever they compute it by."""

from __future__ import annotations

from typing import Any

from archspec_torch.importing.operations import RefusedError

Whole = tuple[str, dict[str, Any]]


def whole(module: Any) -> Whole | RefusedError | None:
    """The operation or the block that a module is as a whole, or why it is none; None where its operations tell."""
    try:
        return _whole(module)
    except RefusedError as why:
        return why


def _whole(module: Any) -> Whole | None:
    from torch import nn

    name = type(module).__name__
    if isinstance(module, nn.MultiheadAttention):
        return _attention(module)
    if name == "StochasticDepth" and hasattr(module, "mode"):
        return "drop_path", {"rate": float(module.p), **({"per_batch": True} if module.mode == "batch" else {})}
    if name == "DropPath" and hasattr(module, "drop_prob"):
        if not getattr(module, "scale_by_keep", True):
            raise RefusedError("a drop path that does not scale what it keeps")
        return "drop_path", {"rate": float(module.drop_prob or 0.0)}
    if name == "DropPath" and hasattr(module, "p"):  # that which archspec emits
        per_batch = getattr(module, "per_batch", False)
        return "drop_path", {"rate": float(module.p), **({"per_batch": True} if per_batch else {})}
    if name in ("LayerNorm2d", "ChannelNorm") and isinstance(module, nn.LayerNorm):
        affine = {} if module.elementwise_affine else {"affine": False}
        return "layer_norm", {**({"eps": module.eps} if module.eps != 1e-6 else {}), **affine}
    if name.startswith("ShiftedWindowAttention"):
        return _window_attention(module, "cosine_window_attention" if name.endswith("V2") else "window_attention")
    if name == "BlurPool2d" and hasattr(module, "filt_size") and module.pad_mode == "reflect":
        return "blur_pool", {"stride": module.stride, **({"kernel": k} if (k := module.filt_size) != 3 else {})}
    return None


def _attention(module: Any) -> Whole:
    if (
        not module._qkv_same_embed_dim
        or module.bias_k is not None
        or module.add_zero_attn
        or module.in_proj_bias is None
    ):
        raise RefusedError("an attention with separate or extra projections")
    if not module.batch_first:
        raise RefusedError("an attention whose first axis is not that of the batch; make it with batch_first=True")
    if module.dropout:
        raise RefusedError("an attention with dropout of its weights")
    return "self_attention", {"heads": module.num_heads}


def _window_attention(module: Any, kind: str) -> Whole:
    size, shift = list(module.window_size), list(module.shift_size)
    if len(set(size)) != 1 or len(set(shift)) != 1:
        raise RefusedError("attention in windows that are not square")
    if module.attention_dropout or module.dropout:
        raise RefusedError("an attention in windows with dropout")
    return kind, {"heads": module.num_heads, "size": size[0], "shift": shift[0]}
