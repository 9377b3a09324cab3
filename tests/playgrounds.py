"""Playgrounds that answer in this process, and a spec to ask them about."""

import json

import pytest

pytest.importorskip("starlette", reason="the playground needs the extra `play`")

from archspec_play.app import application
from asgi import Client

TOKEN, HOST = "a-token", "127.0.0.1:8000"
SPEC = """\
archspec: 1
args: {n: 1, act: relu, wide: false}
presets: {deep: {n: 5}}
input: {channels: 3, size: 32}
classes: 10
act: $act
stem: [conv1: {conv: {out: 16, kernel: 3}}, bn1: norm, relu: act]
blocks:
  mine: {args: {width: int}, body: [{conv: {out: width, kernel: 3}}, norm, act]}
stages:
  - {name: layer1, block: mine, repeat: n, width: "32 if wide else 16"}
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
train: {recipe: cifar_resnet}
"""


def playground(opened):
    """A client of the playground of what is opened."""
    return Client(application(opened, TOKEN, {HOST, "localhost:8000"}), HOST)


def ask(client, name, **question):
    body = json.dumps({"page": "one", **question}).encode()
    answer = client.post(f"/{TOKEN}/{name}", body, {"origin": f"http://{HOST}"})
    assert answer.status == 200, answer.text
    return answer.json()
