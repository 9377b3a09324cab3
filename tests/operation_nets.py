"""Small nets around each operation, and nets whose steps and names are easily written wrong."""

CASES = {
    "conv": [
        "- op: {conv: {out: 6, kernel: 3}}",
        "- op: {conv: {out: 6, kernel: [1, 3], stride: [2, 1], bias: true}}",
        "- op: {conv: {out: 8, kernel: 3, stride: 2, dilation: 2, groups: 2, bias: true, bias_init: 0.5}}",
        "- op: {conv: {out: 4, kernel: 4, padding: 1, groups: 4}}",
    ],
    "linear": [
        "- global_avg_pool\n  - op: {linear: {out: 5}}",
        "- tokens\n  - op: {linear: {out: 5}}",
        "- flatten\n  - op: {linear: {out: 5, bias: false}}",
        "- tokens\n  - op: {linear: {out: 5, unbiased: [1, 3]}}",
    ],
    "scale": [
        "- op: {scale: {value: 0.5}}",
        "- op: {scale: {value: 0.5, learned: true}}",
        "- op: {scale: {value: -1}}",
        "- tokens\n  - op: {scale: {value: 0.5, learned: true}}",
        "- op: {scale: {learned: true, shared: true}}",
    ],
    "shift": [
        "- op: shift",
        "- tokens\n  - op: {shift: {value: 0.5}}",
        "- op: {shift: {shared: true, value: 0.5}}",
    ],
    "batch_norm": [
        "- op: batch_norm",
        "- op: {batch_norm: {eps: 0.1, affine: false, momentum: 0.3}}",
        "- global_avg_pool\n  - op: batch_norm",
    ],
    "layer_norm": [
        "- op: layer_norm",
        "- op: {layer_norm: {eps: 0.1, affine: false}}",
        "- global_avg_pool\n  - op: layer_norm",
        "- tokens\n  - op: layer_norm",
    ],
    "group_norm": ["- op: {group_norm: {groups: 2}}", "- op: {group_norm: {groups: 4, eps: 0.1, affine: false}}"],
    "max_pool": [
        "- op: {max_pool: {kernel: 3, stride: 2, padding: 1}}",
        "- op: {max_pool: {kernel: 2, stride: 2, ceil: true}}",
        "- op: {max_pool: {kernel: [3, 2], stride: [2, 3], padding: [1, 0], ceil: true}}",
    ],
    "avg_pool": [
        "- op: {avg_pool: {kernel: 2, stride: 2}}",
        "- op: {avg_pool: {kernel: 3, stride: 2, padding: 1}}",
        "- op: {avg_pool: {kernel: 3, stride: 2, padding: 1, count_padding: true}}",
        "- op: {avg_pool: {kernel: 2, stride: 2, ceil: true}}",
        "- op: {avg_pool: {kernel: 3, stride: 2, padding: 1, ceil: true, count_padding: true}}",
    ],
    "global_avg_pool": ["- op: global_avg_pool", "- op: {global_avg_pool: {keep: true}}"],
    "flatten": ["- op: flatten"],
    "pad_channels": ["- op: {pad_channels: {before: 1, after: 2}}", "- op: pad_channels"],
    "subsample": [
        "- op: {subsample: {stride: 2}}",
        "- op: {subsample: {stride: [3, 2]}}",
        "- op: {subsample: {stride: 1}}",
    ],
    "add": ["- a: tanh\n  - b: {sigmoid: {}, from: input}\n  - op: {add: {}, from: [a, b]}"],
    "mul": [
        "- a: tanh\n  - b: {sigmoid: {}, from: input}\n  - op: {mul: {}, from: [a, b]}",
        "- a: tanh\n  - b: {global_avg_pool: {keep: true}}\n  - op: {mul: {}, from: [a, b]}",
    ],
    "concat": [
        "- tokens\n  - a: tanh\n  - op: {concat: {}, from: [a, tokens]}\n  - c: {concat: {over: places}, from: [op, op]}",
        "- a: tanh\n  - b: {conv: {out: 3, kernel: 1}, from: input}\n  - op: {concat: {}, from: [a, b, a]}",
    ],
    "sub": [
        "- a: tanh\n  - b: {sigmoid: {}, from: input}\n  - op: {sub: {}, from: [a, b]}",
        "- a: tanh\n  - b: {global_avg_pool: {keep: true}}\n  - op: {sub: {}, from: [a, b]}",
    ],
    "div": [
        "- a: tanh\n  - b: {sigmoid: {}, from: input}\n  - op: {div: {}, from: [a, b]}",
        "- b: {global_avg_pool: {keep: true}}\n  - c: sigmoid\n  - op: {div: {}, from: [input, c]}",
    ],
    "leaky_relu": ["- op: leaky_relu", "- op: {leaky_relu: {slope: 0.2}}"],
    "prelu": ["- op: prelu", "- op: {prelu: {shared: true, value: 0.1}}", "- global_avg_pool\n  - op: prelu"],
    "elu": ["- op: elu", "- op: {elu: {alpha: 0.5}}"],
    "softmax": ["- op: softmax", "- global_avg_pool\n  - op: softmax", "- tokens\n  - op: softmax"],
    "adaptive_avg_pool": [
        "- op: {adaptive_avg_pool: {size: 1}}",
        "- op: {adaptive_avg_pool: {size: [3, 4]}}",
        "- op: {adaptive_avg_pool: {size: [7, 10]}}",
    ],
    "adaptive_max_pool": ["- op: {adaptive_max_pool: {size: 1}}", "- op: {adaptive_max_pool: {size: [3, 4]}}"],
    "pad": [
        "- op: {pad: {top: 1, right: 2, value: 0.5}}",
        "- op: {pad: {top: 1, bottom: 2, left: 3, right: 1, mode: reflect}}",
        "- op: {pad: {left: 2, bottom: 1, mode: edge}}",
        "- op: pad",
    ],
    "channel_shuffle": ["- op: {channel_shuffle: {groups: 2}}", "- op: {channel_shuffle: {groups: 1}}"],
    "slice": [
        "- op: {slice: {start: 1}}",
        "- op: {slice: {stop: 3}}",
        "- left: {slice: {stop: 1}}\n  - op: {slice: {start: 1, stop: 3}, from: input}",
        "- global_avg_pool\n  - op: {slice: {start: 1, stop: 4}}",
        "- tokens\n  - op: {slice: {start: 1, stop: 4}}",
        "- op: {slice: {start: 1, groups: 2}}",
        "- tokens\n  - op: {slice: {stop: 1, groups: 2}}",
        "- tokens\n  - op: {slice: {start: 1, over: places}}",
        "- op: [{slice: {start: 1}}, {channel_shuffle: {groups: 3}}, {pad: {left: 1}}]",
    ],
    "std_conv": [
        "- op: {std_conv: {out: 6, kernel: 3, bias: true}}",
        "- op: {std_conv: {out: 4, kernel: 3, stride: 2, groups: 2, gain: true, eps: 1e-3}}",
        "- op: {std_conv: {out: 4, kernel: 1, gain: true, gain_init: 0, gamma: 1.7}}\n"
        "  - n: {std_conv: {out: 4, kernel: 1, gamma: 0.5}}",
    ],
    "conv_transpose": [
        "- op: {conv_transpose: {out: 3, kernel: 2, stride: 2}}",
        "- op: {conv_transpose: {out: 6, kernel: [3, 2], stride: [2, 1], padding: [1, 0], groups: 2, bias: true}}",
        "- op: {conv_transpose: {out: 4, kernel: 3, stride: 3, padding: 1, output_padding: 2, dilation: 2}}",
    ],
    "channel_conv": [
        "- global_avg_pool\n  - op: {channel_conv: {kernel: 3}}",
        "- global_avg_pool: {keep: true}\n  - op: {channel_conv: {kernel: 5}}",
    ],
    "instance_norm": ["- op: instance_norm", "- op: {instance_norm: {eps: 0.1, affine: false}}"],
    "rms_norm": [
        "- op: rms_norm",
        "- op: {rms_norm: {eps: 0.1, affine: false}}",
        "- global_avg_pool\n  - op: rms_norm",
        "- tokens\n  - op: rms_norm",
    ],
    "upsample": [
        "- op: {upsample: {scale: 2}}",
        "- op: {upsample: {scale: [2, 3], mode: bilinear}}",
        "- op: {upsample: {scale: 2, mode: bilinear, align_corners: true}}",
        "- a: {conv: {out: 2, kernel: 3, stride: 2}}\n  - op: {upsample: {mode: bilinear}, from: [a, input]}",
        "- a: {conv: {out: 2, kernel: 3, stride: 2}}\n  - op: {upsample: {}, from: [a, input]}",
    ],
    "blur_pool": ["- op: blur_pool", "- op: {blur_pool: {kernel: 4, stride: 3}}"],
    "center_crop": [
        "- a: {conv: {out: 2, kernel: 3, stride: 2}}\n  - op: {center_crop: {}, from: [input, a]}\n"
        "  - c: {concat: {}, from: [a, op]}",
        "- a: {conv: {out: 2, kernel: 2, padding: 0}}\n  - op: {center_crop: {}, from: [input, a]}\n"
        "  - c: {concat: {}, from: [op, a]}",
    ],
    "global_response_norm": [
        "- op: global_response_norm",
        "- channels_last\n  - op: {global_response_norm: {eps: 0.1}}",
        "- op: [tokens, global_response_norm]",
    ],
    "mean": [
        "- op: mean",
        "- op: {mean: {keep: true}}",
        "- op: {mean: {over: channels}}",
        "- tokens\n  - op: mean",
    ],
    "amax": ["- op: {amax: {keep: true}}", "- op: {amax: {over: channels}}"],
    "l2_norm": [
        "- op: {l2_norm: {keep: true}}",
        "- channels_last\n  - op: {l2_norm: {keep: true}}",
        "- op: [{l2_norm: {over: channels}}, relu]",
    ],
    "sqrt": ["- a: sigmoid\n  - op: sqrt"],
    "pow": ["- op: pow", "- a: sigmoid\n  - op: {pow: {exponent: 1.5}}"],
    "exp": [
        "- op: exp",
        "- op: {parameter: {shape: [4, 1, 1]}}\n  - e: {exp: {}, from: op}\n  - m: {mul: {}, from: [input, e]}",
    ],
    "clip": [
        "- op: {clip: {min: -0.5, max: 0.5}}",
        "- op: [{clip: {max: 0.5}}, {clip: {min: -0.2}}]",
        "- op: clip",
        "- p: {parameter: {shape: [4, 1, 1], value: 1}}\n  - op: {clip: {max: 0.5}, from: p}\n"
        "  - s: {softplus: {}, from: op}\n  - t: {scale: {value: 3}, from: s}\n  - m: {mul: {}, from: [input, t]}",
    ],
    "parameter": [
        "- op: {parameter: {shape: [4, 1, 1], value: 1e-6}}\n  - m: {mul: {}, from: [input, op]}",
        "- tokens\n  - op: {parameter: {shape: [1, 63, 4], batch: true, start: normal}}\n  - a: {add: {}, from: [tokens, op]}",
        "- tokens\n  - op: {parameter: {shape: [1, 1, 4], batch: true, start: trunc_normal, std: 0.5}}\n"
        "  - c: {concat: {over: places}, from: [op, tokens]}",
        "- tokens\n  - op: {parameter: {shape: [2, 4], value: 1}}\n  - c: {concat: {over: places}, from: [tokens, op]}",
        "- global_avg_pool\n  - op: {parameter: {shape: [4]}}\n  - c: {concat: {}, from: [global_avg_pool, op]}",
    ],
    "apply_linear": [
        "- tokens\n  - w: {parameter: {shape: [5, 4], start: xavier_uniform}}\n  - b: {parameter: {shape: [5]}}\n"
        "  - op: {apply_linear: {}, from: [tokens, w, b]}",
        "- global_avg_pool\n  - w: {parameter: {shape: [5, 4]}}\n  - op: {apply_linear: {}, from: [global_avg_pool, w]}",
    ],
    "tokens": ["- op: tokens", "- op: [tokens, layer_norm, {linear: {out: 6}}]"],
    "image": ["- tokens\n  - op: {image: {size: [9, 7]}}"],
    "channels_last": [
        "- op: channels_last\n  - layer_norm\n  - {linear: {out: 6, bias: false}}",
        "- op: [channels_last, gelu, softmax, channels_first]",
    ],
    "channels_first": ["- channels_last\n  - op: channels_first"],
    "transpose": ["- tokens\n  - op: transpose\n  - {linear: {out: 5}}"],
    "select": ["- tokens\n  - op: {select: {index: 2}}"],
    "roll": ["- channels_last\n  - op: {roll: {shift: [-1, 2]}}"],
    "interleave": ["- pad: {bottom: 1}\n  - channels_last\n  - op: {interleave: {groups: [4, 3]}}"],
    "merge_patches": [
        "- pad: {bottom: 1, right: 1}\n  - channels_last\n  - op: merge_patches\n  - {linear: {out: 3}}"
    ],
    "windows": ["- pad: {bottom: 1}\n  - channels_last\n  - op: {windows: {size: [4, 3]}}"],
    "unwindow": [
        "- pad: {bottom: 1}\n  - channels_last\n  - w: {windows: {size: [4, 3]}}\n  - t: tanh\n"
        "  - op: {unwindow: {size: [4, 3]}, from: [t, channels_last]}",
    ],
    "attention": [
        "- tokens\n  - q: {linear: {out: 6}, from: tokens}\n  - k: {linear: {out: 6}, from: tokens}\n"
        "  - op: {attention: {heads: 2}, from: [q, k, tokens]}",
    ],
    "cosine_attention": [
        "- tokens\n  - q: {linear: {out: 6}, from: tokens}\n  - k: {linear: {out: 6}, from: tokens}\n"
        "  - factor: {parameter: {shape: [2, 1, 1], value: 2}}\n"
        "  - op: {cosine_attention: {heads: 2}, from: [q, k, tokens, factor]}",
        "- channels_last\n  - x: {windows: {size: [7, 3]}}\n  - table: {parameter: {shape: [65, 2]}}\n"
        "  - b: {relative_position_bias: {size: [7, 3]}, from: table}\n"
        "  - factor: {parameter: {shape: [2, 1, 1], value: 2}}\n"
        "  - mask: {shift_mask: {size: [7, 3], shift: [3, 1]}, from: channels_last}\n"
        "  - op: {cosine_attention: {heads: 2}, from: [x, x, x, factor, b, mask]}",
    ],
    "relative_coordinates": [
        "- pad: {bottom: 1}\n  - channels_last\n  - x: {windows: {size: [4, 3]}}\n"
        "  - op: {relative_coordinates: {size: [4, 3]}}\n"
        "  - mlp: [{linear: {out: 5}}, relu, {linear: {out: 2, bias: false}}]\n    from: op\n"
        "  - bias: {relative_position_bias: {size: [4, 3]}, from: mlp}\n  - gate: {sigmoid: {}, from: bias}\n"
        "  - {attention: {heads: 2}, from: [x, x, x, gate]}",
    ],
    "attention_bias": [
        "- pad: {bottom: 1}\n  - tokens\n  - table: {parameter: {shape: [2, 72]}}\n"
        "  - op: {attention_bias: {size: [8, 9]}, from: table}\n"
        "  - {attention: {heads: 2}, from: [tokens, tokens, tokens, op]}",
        "- pad: {bottom: 1}\n  - far: {subsample: {stride: 2}}\n  - q: tokens\n  - {all: tokens, from: pad}\n"
        "  - table: {parameter: {shape: [2, 72]}}\n  - op: {attention_bias: {size: [8, 9], stride: 2}, from: table}\n"
        "  - {attention: {heads: 2}, from: [q, all, all, op]}",
    ],
    "relative_position_bias": [
        "- pad: {bottom: 1}\n  - channels_last\n  - x: {windows: {size: [4, 3]}}\n  - table: {parameter: {shape: [35, 2]}}\n"
        "  - op: {relative_position_bias: {size: [4, 3]}, from: table}\n"
        "  - {attention: {heads: 2}, from: [x, x, x, op]}",
        "- pad: {bottom: 1}\n  - channels_last\n  - x: {windows: {size: [4, 3]}}\n  - table: {parameter: {shape: [35, 2]}}\n"
        "  - op: {relative_position_bias: {size: [4, 3], flat: false}, from: table}\n"
        "  - {attention: {heads: 2}, from: [x, x, x, op]}",
    ],
    "shift_mask": [
        "- pad: {bottom: 1}\n  - channels_last\n  - x: {windows: {size: [4, 3]}}\n  - table: {parameter: {shape: [35, 2]}}\n"
        "  - b: {relative_position_bias: {size: [4, 3]}, from: table}\n"
        "  - op: {shift_mask: {size: [4, 3], shift: [2, 1]}, from: channels_last}\n"
        "  - {attention: {heads: 2}, from: [x, x, x, b, op]}",
    ],
    "dropout": ["- op: {dropout: {rate: 0}}"],
    "drop_path": ["- op: {drop_path: {rate: 0}}"],
}
POINTWISE = [
    "relu",
    "relu6",
    "gelu",
    "silu",
    "sigmoid",
    "hard_sigmoid",
    "hard_swish",
    "tanh",
    "mish",
    "softplus",
    "identity",
]
CASES |= {kind: [f"- op: {kind}", f"- c: {{conv: {{out: 4, kernel: 1}}}}\n  - op: {kind}"] for kind in POINTWISE}
TEXTS = [(kind, text) for kind, texts in CASES.items() for text in texts]
IDENTITY_MAPPINGS = """
input: {channels: 2, size: 4}
classes: 3
shortcut: zero_pad
stem: [{conv: {out: 4, kernel: 3}}]
stages:
  - {name: scaled, block: basic, width: 4, shortcut: {constant_scaling: {on_shortcut: 0.25}}}
  - {name: exclusive, block: basic_norm_after_add, width: 6, stride: 2, shortcut: {exclusive_gating: {bias: -1}}}
  - {name: gated, block: basic_act_before_add, width: 7, shortcut: {shortcut_only_gating: {bias: -1}}}
  - {name: dropped, block: basic_act_first, width: 8, stride: 2, shortcut: {dropout: {rate: 0}}}
  - {name: before, block: preact_basic, width: 9}
  - {name: narrow, block: preact_bottleneck, width: 3, expansion: 3}
head: [norm, act, global_avg_pool, {fc: {linear: {out: classes}}}]
"""
"""The shortcuts and orders of He et al. (2016), Tables 1 and 2, where the shape stays and where it changes."""

BACKENDS = ["torch", "flax"]


SOMETIMES = """
input: {channels: 4, size: 9}
classes: 3
blocks:
  b:
    args: {width: int, deep: false}
    out: width
    body:
      - conv1: {conv: {out: width, kernel: 3}}
      - sub: {subsample: {stride: 2}}
        when: deep
      - scale: {value: 0.5}
        when: deep
      - pad: {pad_channels: {before: 1, after: 2}}
        when: deep
      - cut: {conv: {out: width, kernel: 1}}
        when: deep
      - gelu: {}
        when: deep
      - max_pool: {kernel: 2, stride: 2, ceil: true}
        when: deep
stages:
  - {name: s1, block: b, width: 4}
  - {name: s2, block: b, width: 4, deep: true}
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""


CONFUSING = """
input: {channels: 4, size: 6}
classes: 3
shortcut: projection
stem:
  - torch: {conv: {out: 4, kernel: 3}}
  - jnp: tanh
  - out: {concat: {}, from: [torch, jnp, torch]}
  - x: {conv: {out: 4, kernel: 1}}
  - tanh
  - nnx: {add: {}, from: [x, tanh]}
  - avg_pool: {kernel: 3, stride: 1, padding: 1}
  - tanh
  - add: {}
    from: [avg_pool, tanh2]
blocks:
  b:
    args: {width: int}
    out: width
    body:
      - out: {conv: {out: width, kernel: 3}}
      - relu
      - sigmoid
      - add: {}
        from: [out, sigmoid]
    merge: add
stages: [{name: max, block: b, width: 4}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""
