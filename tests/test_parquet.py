"""Images in Parquet give the batches of a folder; what is damaged or not installed is named with its remedy."""

import json
import re

import pytest

from archspec_runtime.errors import DataError, RunError
from conftest import REPO
from image_sets import opened, said, samples, seen


def parquet(folder, struct=True, names=True, **changed):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet as pq

    folder.mkdir(exist_ok=True)
    for split in ("train", "test"):
        rows = [(label, raw) for s, _, label, _, raw in samples() if s == split]
        images = [{"bytes": raw, "path": None} if struct else raw for _, raw in rows]
        table = pa.table({"image": images, "label": [label for label, _ in rows]} | changed)
        if names:
            info = {"info": {"features": {"label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}}}
            table = table.replace_schema_metadata({"huggingface": json.dumps(info)})
        pq.write_table(table, folder / f"{split}-00000-of-00001.parquet", row_group_size=5)
    return folder


@pytest.mark.parametrize("struct", [True, False], ids=["Hugging Face", "bytes"])
def test_parquet_gives_the_batches_of_a_folder(photos, tmp_path, struct, cli, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = parquet(tmp_path / "rows", struct, names=struct)
    assert seen(folder, "parquet") == seen(photos)
    assert opened(folder, "parquet").classes == (("cat", "dog") if struct else ("0", "1"))
    assert len(list((tmp_path / "cache" / "archspec" / "parquet").iterdir())) == 1
    assert "train images" in said(cli("data", "verify", folder), 0)


def test_parquet_that_is_something_else_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = parquet(tmp_path / "rows")
    (folder / "train-00000-of-00001.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        opened(folder, "parquet")
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


def test_a_label_of_parquet_that_no_class_can_have_is_said_before_memory_runs_out(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = parquet(tmp_path / "rows", names=False)
    from pyarrow import parquet as pq

    path = folder / "train-00000-of-00001.parquet"
    table = pq.read_table(path)
    pq.write_table(table.set_column(1, "label", [[10**12] * len(table)]), path)
    with pytest.raises(
        DataError, match=r"train-00000-of-00001.parquet .* is 1000000000000, and there are fewer images"
    ):
        opened(folder, "parquet")
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


def test_what_is_not_installed_is_named_with_its_extra(monkeypatch, tmp_path):
    import sys

    (tmp_path / "train.parquet").write_bytes(b"x")
    (tmp_path / "test.parquet").write_bytes(b"x")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(RunError, match="pyarrow") as caught:
        opened(tmp_path, "parquet", train="train.parquet", test="test.parquet")
    assert caught.value.hint == "pip install 'archspec-nn[parquet]'"
    monkeypatch.setitem(sys.modules, "braceexpand", None)
    with pytest.raises(RunError, match="braceexpand") as caught:
        opened(tmp_path, "webdataset", train="{a,b}.tar")
    assert caught.value.hint == "pip install 'archspec-nn[webdataset]'"


def test_every_extra_that_a_message_names_is_there():
    import tomllib

    extras = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {
        extra
        for path in (REPO / "backends" / "archspec_runtime").rglob("*.py")
        for group in re.findall(r"archspec-nn\[([\w,]+)\]", path.read_text())
        for extra in group.split(",")
    }
    assert {"images", "webdataset", "parquet"} <= named <= set(extras)
