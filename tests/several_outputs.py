"""Nets of several outputs: an auxiliary head only in training, taps in chains, stages, and names that lead astray."""

SEGMENTATION = """
input: {size: 12}
classes: 5
stem:
  - backbone:
      - conv1: {conv: {out: 8, kernel: 3, stride: 2}}
      - bn1: norm
      - relu: act
      - layer3: {basic: {width: 8}}
      - layer4: {basic: {width: 16, stride: 2}}
head:
  - classifier: [{conv: {out: 8, kernel: 3}}, norm, act, {conv: {out: classes, kernel: 1, bias: true}}]
  - out: {upsample: {mode: bilinear}, from: [classifier, input]}
  - aux_classifier: {auxiliary: {}, from: backbone.layer3}
  - aux: {upsample: {mode: bilinear}, from: [aux_classifier, input]}
outputs: {out: out, aux: {value: aux, loss_weight: 0.4, train_only: true}}
shortcut: projection
blocks:
  auxiliary:
    chain: [{conv: {out: 4, kernel: 3}}, norm, act, {conv: {out: 5, kernel: 1}}]
"""

PYRAMID = """
input: {size: 12}
stem:
  - features: [{conv: {out: 6, kernel: 3}}, norm, relu, {max_pool: {kernel: 2, stride: 2}}, {conv: {out: 8, kernel: 3}}]
  - relu
stages:
  - {name: layer1, block: basic, width: 8}
  - {name: layer1b, block: basic, width: 8}
  - {name: layer1c, block: basic, width: 8}
  - {name: layer2, block: basic, width: 8}
shortcut: identity
head: [global_avg_pool, {out: {linear: {out: 3}}}, {aux: {linear: {out: 2}}, from: global_avg_pool}]
outputs:
  pool: {value: aux, train_only: true}
  0: features.1
  input: features.3
  class: layer1
  x: layer2
  aux: {value: features, train_only: true}
  out: out
  self: layer1b
  torch: layer1c
  _: features.2
  jnp: relu
"""

JOINED = """
input: {size: 8}
classes: 3
stem:
  - down: [{conv: {out: 4, kernel: 3}}, relu, {max_pool: {kernel: 2, stride: 2}}, {conv: {out: 6, kernel: 3}}, relu]
  - up: {conv_transpose: {out: 4, kernel: 2, stride: 2}}
  - {concat: {}, from: [up, down.1]}
  - inner: {gated: {}}
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
blocks:
  gated:
    body:
      - path: [{conv: {out: 5, kernel: 3}}, act, {conv: {out: 5, kernel: 1}}]
      - {mul: {}, from: [path, path.0]}
"""

NETS = {"segmentation": SEGMENTATION, "pyramid": PYRAMID, "joined": JOINED}
