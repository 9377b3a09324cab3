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
        "- flatten\n  - op: {linear: {out: 5, bias: false}}",
    ],
    "scale": [
        "- op: {scale: {value: 0.5}}",
        "- op: {scale: {value: 0.5, learned: true}}",
        "- op: {scale: {value: -1}}",
    ],
    "batch_norm": ["- op: batch_norm", "- op: {batch_norm: {eps: 0.1, affine: false, momentum: 0.3}}"],
    "layer_norm": [
        "- op: layer_norm",
        "- op: {layer_norm: {eps: 0.1, affine: false}}",
        "- global_avg_pool\n  - op: layer_norm",
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
    "concat": ["- a: tanh\n  - b: {conv: {out: 3, kernel: 1}, from: input}\n  - op: {concat: {}, from: [a, b, a]}"],
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
    "softmax": ["- op: softmax", "- global_avg_pool\n  - op: softmax"],
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
        "- op: [{slice: {start: 1}}, {channel_shuffle: {groups: 3}}, {pad: {left: 1}}]",
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
