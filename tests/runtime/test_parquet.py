"""Images in Parquet give the batches of a folder; what is damaged or not installed is named with its remedy."""

import json
import re

import pytest

from archspec_runtime.errors import DataError, RunError
from archspec_runtime.images.libraries import PACKAGES
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


def as_hub(folder, columns, *, labels=None):
    """Rows as the hub of Hugging Face has them, with columns of other names; `columns` are kinds by name."""
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet as pq

    folder.mkdir(exist_ok=True)
    names = ["cat", "dog"]
    features = {name: {"_type": kind, **({"names": names} if kind == "ClassLabel" else {})}
                for name, kind in columns.items()}  # fmt: skip
    for split in ("train", "test"):
        rows = [(label, raw) for s, _, label, _, raw in samples() if s == split]
        data = {}
        for name, kind in columns.items():
            images = [{"bytes": raw, "path": "x.jpg"} for _, raw in rows]
            data[name] = (
                images if kind == "Image" else [label if labels is None else labels(label) for label, _ in rows]
            )
        table = pa.table(data).replace_schema_metadata(
            {"huggingface": json.dumps({"info": {"features": features}})}
        )
        pq.write_table(table, folder / f"{split}-00000-of-00001.parquet")
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_columns_are_found_by_what_hugging_face_says_of_them(photos, tmp_path, cache, cli):
    cifar10 = as_hub(tmp_path / "cifar10", {"img": "Image", "label": "ClassLabel"})
    assert seen(cifar10, "parquet") == seen(photos)
    assert opened(cifar10, "parquet").classes == ("cat", "dog")
    (tmp_path / "hub").mkdir()
    cifar10.rename(tmp_path / "hub" / "plain_text")
    with pytest.raises(DataError, match="holds nothing of the form") as caught:
        opened(tmp_path / "hub", "parquet")
    assert "hub/plain_text: give that with --data" in caught.value.hint
    assert "hub/plain_text" in cli("data", "verify", "hub").stderr
    odd = as_hub(tmp_path / "odd", {"photograph": "Image", "species": "ClassLabel"})
    assert seen(odd, "parquet") == seen(photos)


def test_one_of_several_columns_of_labels_is_chosen(photos, tmp_path, cache, cli):
    columns = {"img": "Image", "fine_label": "ClassLabel", "coarse_label": "ClassLabel"}
    cifar100 = as_hub(tmp_path / "cifar100", columns)
    with pytest.raises(DataError, match="2 columns of labels: fine_label, coarse_label") as caught:
        opened(cifar100, "parquet")
    assert caught.value.hint == "say which: --set train.data.label=fine_label"
    assert seen(cifar100, "parquet", label="fine_label") == seen(photos)
    with pytest.raises(DataError, match="has no column 'fine' of labels") as caught:
        opened(cifar100, "parquet", label="fine")
    assert "img, fine_label, coarse_label" in caught.value.hint
    told = said(cli("data", "verify", cifar100), 1)
    assert "2 columns of labels" in told
    assert "--set train.data.label=" in told
    said(cli("data", "verify", cifar100, "--set", "train.data.label=fine_label"), 0)
    said(cli("data", "pack", cifar100, "packed", "--set", "train.data.label=fine_label"), 0)
    assert opened(tmp_path / "packed").classes == ("cat", "dog")
    assert "means nothing to the data set image_folder" in said(
        cli("data", "verify", photos, "--set", "train.data.label=fine_label"), 2
    )
    assert "says nothing about a data set" in said(cli("data", "verify", cifar100, "--set", "classes=3"), 2)


@pytest.mark.parametrize(
    ("value", "says", "help_"),
    [
        (lambda _: "cat", "'cat' (text)", "class_encode_column"),
        (lambda _: -1, "-1 (a number)", "without a label"),
        (lambda _: None, "null", "no label"),
        (lambda label: label + 0.5, "0.5 (a floating-point number)", "count classes from 0"),
        (lambda label: label == 0, "True (a truth value)", "train.data.label=COLUMN"),
    ],
    ids=["text", "minus one", "null", "float", "bool"],
)
def test_a_label_that_is_no_class_is_named_with_its_row_type_and_value(tmp_path, cache, cli, value, says, help_):
    folder = as_hub(tmp_path / "rows", {"image": "Image", "label": "ClassLabel"}, labels=value)
    with pytest.raises(DataError) as caught:
        opened(folder, "parquet")
    message = f"train-00000-of-00001.parquet: row 0: the label in 'label' is {says}, not a whole number from 0"
    assert message in caught.value.message
    assert help_ in caught.value.hint
    assert says in said(cli("data", "verify", folder), 1)
    assert not [p for p in cache.rglob("*") if p.is_file()]


def test_images_that_lie_elsewhere_are_named_with_their_path(tmp_path, cache):
    folder = as_hub(tmp_path / "rows", {"image": "Image", "label": "ClassLabel"})
    import pyarrow as pa
    from pyarrow import parquet as pq

    pq.write_table(
        pa.table({"image": [{"bytes": None, "path": "a/b.jpg"}], "label": [0]}), folder / "train.parquet"
    )
    with pytest.raises(
        DataError, match=r"train\.parquet: row 0 has no bytes of an image, only the path 'a/b\.jpg'"
    ):
        opened(folder, "parquet", train="train.parquet")


def test_parquet_without_images_to_test_on_sets_some_aside(tmp_path, cache):
    folder = as_hub(tmp_path / "rows", {"image": "Image", "label": "ClassLabel"})
    (folder / "test-00000-of-00001.parquet").unlink()
    found = opened(folder, "parquet", test="34%")
    assert {name: one.of_classes for name, one in found.listings.items()} == {"train": (4, 4), "test": (2, 2)}


def test_a_cache_that_may_not_be_written_says_the_permission_and_no_word_of_space(tmp_path, monkeypatch):
    folder = as_hub(tmp_path / "rows", {"image": "Image", "label": "ClassLabel"})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def refuse(self, *args, **more):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)  # as for a user whom permissions bind
    with pytest.raises(RunError, match="Permission denied") as caught:
        opened(folder, "parquet")
    assert "XDG_CACHE_HOME" in caught.value.hint
    assert "space" not in caught.value.hint


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
    assert caught.value.hint == "pip install pyarrow"
    monkeypatch.setitem(sys.modules, "braceexpand", None)
    with pytest.raises(RunError, match="braceexpand") as caught:
        opened(tmp_path, "webdataset", train="{a,b}.tar")
    assert caught.value.hint == "pip install braceexpand"


def test_every_package_that_a_message_names_is_one_of_an_extra():
    import tomllib

    extras = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    packages = {re.match(r"[\w-]+", line)[0] for lines in extras.values() for line in lines}
    text = "\n".join(path.read_text() for path in (REPO / "backends" / "archspec_runtime").rglob("*.py"))
    named = {*re.findall(r'"pip install ([\w-]+)"', text), *PACKAGES.values()}
    assert {"pyarrow", "braceexpand", "opencv-python-headless"} <= named <= packages
