"""Emitted source is imported as text: what is shown of it is that text, whatever lies where it is kept."""

import inspect
import sys
import traceback

import pytest

from archspec.emission.import_source import import_source

SOURCE = "class Net:\n    def __call__(self):\n        return {}['the line']\n"


@pytest.fixture(params=["nothing", "another text"])
def net(request, tmp_path):
    file = tmp_path / "model.py"
    if request.param != "nothing":
        file.write_text("# of another run\n" * 9)
    yield import_source(SOURCE, "a_net", file).Net
    del sys.modules["a_net"]


def test_a_traceback_shows_the_line_and_where_the_text_is_kept(net, tmp_path):
    with pytest.raises(KeyError) as error:
        net()()
    frame = traceback.extract_tb(error.value.__traceback__)[-1]
    assert (frame.filename, frame.lineno) == (str(tmp_path / "model.py"), 3)
    assert frame.line == "return {}['the line']"
    assert inspect.getsource(net) == SOURCE
