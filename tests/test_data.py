"""`archspec data` and the forms that images come in: by really fetching, packing, damaging and reading them."""

import hashlib
import http.server
import io
import json
import re
import shutil
import tarfile
import threading

import numpy as np
import pytest
from PIL import Image

from archspec_runtime.batches import Batches
from archspec_runtime.datasets import open_dataset
from archspec_runtime.datasets.cifar import LAYOUTS, MD5
from archspec_runtime.errors import DataError, RunError
from archspec_runtime.normalize import measure
from archspec_runtime.recipe import Data, HFlip, RandomCrop, ResizeShorter
from conftest import REPO

AUGMENT = (ResizeShorter(20, 40), RandomCrop(), HFlip())
SHAPE = (3, 16, 16)


def jpeg(seed, size=(40, 30)):
    y, x = np.mgrid[: size[1], : size[0]]
    pixels = np.stack([x * 5 % 256, y * 7 % 256, (x + y) * (seed + 1) % 256], axis=-1).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def samples():
    """(split, class, label, number, bytes) of a small data set."""
    for split, count in (("train", 6), ("test", 2)):
        for label, name in enumerate(("cat", "dog")):
            for number in range(count):
                yield split, name, label, number, jpeg(50 * label + number + 7 * (split == "test"))


@pytest.fixture
def photos(tmp_path):
    """The data set as a folder."""
    for split, name, _, number, raw in samples():
        path = tmp_path / "photos" / split / name / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    return tmp_path / "photos"


def opened(folder, dataset="image_folder", **data):
    recipe = Data(dataset=dataset, augment=AUGMENT, **data)
    return open_dataset(recipe, folder, input_shape=SHAPE, classes=2, seed=0)


def seen(folder, dataset="image_folder", **data):
    """What two epochs and the evaluation of a data set are made of."""
    found = opened(folder, dataset, **data)
    recipe = Data(dataset=dataset, augment=AUGMENT)
    made = Batches(found.train, recipe, 3, 0, SHAPE, measure("none", found.train, SHAPE), workers=0)
    steps = [(batch.labels.tolist(), batch.pixels.tobytes()) for batch in made.run(0, 2 * made.per_epoch)]
    return (
        steps,
        [np.asarray(found.test.image(i)).tobytes() for i in range(len(found.test))],
        found.test.labels.tolist(),
    )


def said(result, code):
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.output


# --- verify --------------------------------------------------------------------------------------------


def test_a_sound_folder_is_counted(cli, photos):
    output = said(cli("data", "verify", photos), 0)
    assert re.search(r"^classes +2$", output, re.M)
    assert re.search(r"^train images +12$", output, re.M)
    assert re.search(r"^test images of a class +2 to 2$", output, re.M)


def test_everything_that_is_wrong_is_named_in_one_run(cli, photos, spec):
    (photos / "train" / "cat" / "2.jpg").write_bytes(b"<html>404</html>")
    cut = photos / "train" / "dog" / "4.jpg"
    cut.write_bytes(cut.read_bytes()[:300])
    (photos / "test" / "dog" / "1.jpg").write_bytes(b"")
    (photos / "train" / "eel").mkdir()
    for other in ("fox", "gnu"):
        (photos / "test" / other).mkdir()
    output = said(cli("data", "verify", photos, "--spec", "resnet18"), 1)
    table = output[output.index("faults") :]
    assert "\n8 faults\n" in output
    classes = "has 3 classes, and the net tells 1,000 apart"
    files = ("train/cat/2.jpg", "train/dog/4.jpg", "test/dog/1.jpg", "test/fox", "test/gnu")
    for where in (*files, "train, class eel", classes):
        assert where in table, where


@pytest.mark.parametrize("kind", ["nothing", "unknown", "strange"])
def test_what_cannot_be_verified_says_why(cli, tmp_path, kind):
    (tmp_path / "empty").mkdir()
    given = {
        "nothing": ("gone", "gone does not exist"), "unknown": ("empty", "holds no data set that is known"),
        "strange": ("empty", "there is no data set 'mnist'"),
    }[kind]  # fmt: skip
    more = ("--dataset", "mnist") if kind == "strange" else ()
    result = cli("data", "verify", given[0], *more)
    assert given[1] in result.stderr
    assert "help:" in result.stderr
    assert result.exit_code in (1, 2)


def test_all_damaged_files_of_cifar_are_named_with_checksums(cli, tmp_path):
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    import pickle

    fine = {b"data": np.zeros((10_000, 3072), np.uint8), b"fine_labels": [1] * 10_000}
    (folder / "test").write_bytes(pickle.dumps(fine, protocol=2))
    (folder / "train").write_bytes(b"not a pickle")
    output = said(cli("data", "verify", tmp_path), 1)
    assert "train is not an official CIFAR pickle" in output
    assert f"the official file's {MD5['test']}" in output
    assert re.search(r"^kind +cifar100$", output, re.M)


# --- fetch ---------------------------------------------------------------------------------------------


class Server(http.server.BaseHTTPRequestHandler):
    """Files from memory, with ranges; `cuts` are the bytes after which answers break off, one after the other."""

    def do_GET(self):
        files, cuts, ranges = self.server.files, self.server.cuts, self.server.ranges
        content = files.get(self.path)
        if content is None:
            self.send_error(404, "Not Found")
            return
        asked = self.headers.get("Range") if ranges else None
        self.server.asked.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if start >= len(content) > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
            return
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : start + cuts.pop(0) if cuts else None])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A server on this machine, and its address."""
    monkeypatch.setattr("archspec_runtime.datasets.remote.PAUSES", (0.01, 0.01, 0.01))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    made.files, made.cuts, made.ranges, made.asked = {}, [], True, []
    made.address = f"http://127.0.0.1:{made.server_address[1]}"
    thread = threading.Thread(target=made.serve_forever, args=(0.02,))
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def archive(members, folder="cifar-10-batches-bin"):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as made:
        for name, content in members:
            info = tarfile.TarInfo(name if name.startswith(("/", ".", "other/")) else f"{folder}/{name}")
            if isinstance(content, bytes):
                info.size = len(content)
                made.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = content
                made.addfile(info)
    return file.getvalue()


WHOLE = archive([(name, bytes(range(256)) * 40) for name, _ in LAYOUTS["cifar10"]["binary"].train])


def fetch(cli, server, content=WHOLE, md5=None):
    server.files["/c.tar.gz"] = content
    sum_ = md5 or hashlib.md5(content).hexdigest()
    return cli("data", "fetch", "cifar10", "--out", "out", "--url", f"{server.address}/c.tar.gz", "--md5", sum_)


def test_an_archive_is_fetched_checked_and_unpacked_once(cli, server, tmp_path):
    assert said(fetch(cli, server), 0).strip() == "out/cifar-10-batches-bin"
    names = {p.name for p in (tmp_path / "out" / "cifar-10-batches-bin").iterdir()}
    assert names == {f"data_batch_{i}.bin" for i in range(1, 6)}
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"cifar-10-batches-bin", "cifar-10-binary.tar.gz"}
    assert len(server.asked) == 1
    said(fetch(cli, server), 0)
    assert len(server.asked) == 1
    shutil.rmtree(tmp_path / "out" / "cifar-10-batches-bin")
    said(fetch(cli, server), 0)
    assert len(server.asked) == 1, "the archive was there"


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges"])
def test_a_connection_that_is_cut_is_resumed(cli, server, tmp_path, ranges):
    server.ranges, server.cuts = ranges, [100, 250]
    result = fetch(cli, server)
    said(result, 0)
    assert "going on at 100 bytes" in result.stderr
    assert server.asked == ([None, "bytes=100-", "bytes=350-"] if ranges else [None, None, None])
    assert (tmp_path / "out" / "cifar-10-binary.tar.gz").read_bytes() == WHOLE


def test_a_connection_that_is_cut_again_and_again_is_gone_on_with_by_the_next_command(cli, server, tmp_path):
    server.cuts = [50] * 4
    result = fetch(cli, server)
    assert "cannot be fetched: cut off after" in said(result, 1)
    assert "the same command goes on after the 200 bytes that are there" in result.stderr
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["cifar-10-binary.tar.gz.part"]
    said(fetch(cli, server), 0)
    assert server.asked[-1] == "bytes=200-"


def test_a_wrong_checksum_leaves_nothing(cli, server, tmp_path):
    assert "has the checksum" in said(fetch(cli, server, md5="0" * 32), 1)
    assert list((tmp_path / "out").iterdir()) == []
    result = cli("data", "fetch", "cifar10", "--out", "out", "--url", f"{server.address}/c.tar.gz")
    assert f"instead of {MD5['cifar-10-binary.tar.gz']}" in said(result, 1)


def test_no_server_and_no_file_are_said(cli, server, tmp_path):
    result = cli("data", "fetch", "cifar10", "--out", "out", "--url", f"{server.address}/gone.tar.gz")
    assert "the server says 404 Not Found" in said(result, 1)
    assert "cannot be fetched" in said(
        cli("data", "fetch", "cifar10", "--out", "out", "--url", "http://127.0.0.1:9/x"), 1
    )
    assert "is no address" in said(cli("data", "fetch", "cifar10", "--out", "out", "--url", "nonsense"), 1)
    assert list((tmp_path / "out").iterdir()) == []


HOSTILE = {
    "outside": [("../evil", b"x")],
    "absolute": [("/tmp/evil-archspec", b"x")],
    "link": [("data_batch_1.bin", (tarfile.SYMTYPE, "/etc/passwd"))],
    "inner link": [("a", b"x"), ("b", (tarfile.SYMTYPE, "a"))],
    "hard link": [("data_batch_1.bin", (tarfile.LNKTYPE, "../../etc/passwd"))],
    "device": [("data_batch_1.bin", (tarfile.CHRTYPE, ""))],
    "pipe": [("data_batch_1.bin", (tarfile.FIFOTYPE, ""))],
    "other folder": [("other/file", b"x")],
    "many": [(f"file{i}", b"") for i in range(70)],
    "twice": [("a", b"x"), ("a", b"y")],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_and_nothing_of_it_is_left(cli, server, tmp_path, name):
    first = [] if "data_batch_1.bin" in dict(HOSTILE[name]) else [("data_batch_1.bin", b"0123")]
    result = fetch(cli, server, archive([*first, *HOSTILE[name]]))
    assert "help:" in result.stderr
    assert said(result, result.exit_code)
    assert result.exit_code in (1, 2)
    assert {p.name for p in (tmp_path / "out").iterdir()} <= {"cifar-10-binary.tar.gz"}
    assert not (tmp_path / "evil").exists()


def test_a_bomb_is_refused_before_it_unpacks(cli, server, tmp_path):
    import gzip

    info = tarfile.TarInfo("cifar-10-batches-bin/data_batch_1.bin")
    info.size = 1 << 40
    result = fetch(cli, server, gzip.compress(info.tobuf() + bytes(1 << 20)))
    assert "unpacks to more than it can" in said(result, 1)
    result = fetch(cli, server, WHOLE[:-200])
    assert "is there and is another file" in said(result, 1)


# --- pack ----------------------------------------------------------------------------------------------


def test_packed_images_are_the_same_in_every_batch(cli, photos, tmp_path):
    assert "12" not in said(cli("data", "pack", photos, "packed"), 0).split(":")[0]
    assert seen(tmp_path / "packed") == seen(photos)
    assert said(cli("data", "verify", "packed"), 0)
    said(cli("data", "pack", photos, "plain", "--as", "raw"), 0)
    assert seen(tmp_path / "plain") == seen(photos)


def test_images_are_made_smaller_where_asked(cli, photos, tmp_path):
    for form in ("jpeg", "raw"):
        said(cli("data", "pack", photos, form, "--as", form, "--size", 20), 0)
        test = opened(tmp_path / form).test
        assert {test.image(i).size for i in range(4)} == {(26, 20)}
        expected = opened(photos).test.image(0).resize((26, 20), Image.Resampling.BILINEAR)
        assert np.abs(np.asarray(test.image(0), int) - np.asarray(expected)).mean() < 12
    assert "--as jpeg" in cli("data", "pack", photos, "x", "--size", 20).stderr


def test_packing_overwrites_nothing_and_leaves_nothing_half_made(cli, photos, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "thesis").write_text("x")
    assert "is there already" in said(cli("data", "pack", photos, "there"), 2)
    (photos / "train" / "dog" / "5.jpg").write_bytes(b"x")
    before = {p.name for p in tmp_path.iterdir()}
    output = said(cli("data", "pack", photos, "packed"), 1)
    assert "train/dog/5.jpg cannot be read" in output
    assert "--corrupt skip" in output
    assert {p.name for p in tmp_path.iterdir()} == before
    assert "15 images" in said(cli("data", "pack", photos, "packed", "--corrupt", "skip"), 0)
    assert len(opened(tmp_path / "packed").train) == 11


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("train.bin", lambda raw: raw[:-1]),
        ("train.index.npy", lambda raw: raw[:-8]),
        ("train.index.npy", lambda raw: raw[:-8] + (9).to_bytes(8, "little")),
        ("train.names.txt", lambda raw: raw + b"more\n"),
        ("pack.json", lambda raw: raw[:-9]),
        ("pack.json", lambda raw: b"[]"),
        ("test.bin", None),
    ],
)
def test_a_packed_data_set_that_is_not_whole_is_named(cli, photos, tmp_path, file, change):
    said(cli("data", "pack", photos, "packed"), 0)
    path = tmp_path / "packed" / file
    path.unlink() if change is None else path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match="packed is not a whole packed data set") as caught:
        opened(tmp_path / "packed")
    assert "archspec data pack" in caught.value.hint


# --- tars and Parquet ----------------------------------------------------------------------------------


def tar(path, members):
    with tarfile.open(path, "w") as made:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))


@pytest.fixture
def shards(tmp_path):
    """The data set as tars: two for training."""
    folder = tmp_path / "shards"
    folder.mkdir()
    parts = {"train-000": [], "train-001": [], "test-000": []}
    for split, name, label, number, raw in samples():
        part = parts[f"train-00{label}" if split == "train" else "test-000"]
        part += [(f"{name}{number}.cls", str(label).encode()), (f"{name}{number}.jpg", raw)]
    for name, members in parts.items():
        tar(folder / f"{name}.tar", members)
    return folder


def test_tars_give_the_batches_of_a_folder(photos, shards, cli):
    expected = seen(photos)
    assert seen(shards, "webdataset") == expected
    pytest.importorskip("braceexpand")
    assert seen(shards, "webdataset", train="train-{000..001}.tar", test="test-*.tar") == expected
    assert "train images" in said(cli("data", "verify", shards), 0)


def test_tars_of_the_web_are_fetched_once(photos, shards, server):
    pytest.importorskip("braceexpand")
    for path in shards.iterdir():
        server.files[f"/{path.name}"] = path.read_bytes()
    where = {"train": server.address + "/train-{000..001}.tar", "test": f"{server.address}/test-000.tar"}
    server.cuts = [1000]
    assert seen(None, "webdataset", **where) == seen(photos)
    asked = len(server.asked)
    assert seen(None, "webdataset", **where) == seen(photos)
    assert len(server.asked) == asked
    with pytest.raises(DataError, match="the server says 404"):
        opened(None, "webdataset", train=f"{server.address}/none.tar", test=where["test"])


def test_images_without_labels_are_of_their_folders_classes(photos, tmp_path):
    folder = tmp_path / "trees"
    folder.mkdir()
    for split in ("train", "test"):
        tar(folder / f"{split}.tar", [(f"./{split}/{name}/{number}.jpg", raw)
                                      for s, name, _, number, raw in samples() if s == split])  # fmt: skip
    assert seen(folder, "webdataset") == seen(photos)


def test_a_run_on_tars_is_resumed_with_other_workers_to_the_same_weights(cli, shards, spec, tmp_path):
    pytest.importorskip("torch")
    spec("input: {channels: 3, size: 16}\nclasses: 2\nstem: [{c: {conv: {out: 4, kernel: 3}}}, {b: norm}, {a: act}]\n"
         "head: [global_avg_pool, {fc: {linear: {out: classes}}}]\n"
         "train:\n  data: {dataset: webdataset, augment: [{resize_shorter: [20, 40]}, random_crop, hflip, pca_lighting],\n"
         "         normalize: per_pixel_mean, eval_resize: 20}\n  batch_size: 4\n  steps: 5\n")  # fmt: skip
    given = ("train", "net.yaml", "--data", shards, "--device", "cpu", "--threads", 1, "--compile", "off")
    said(cli(*given, "--out", "whole", "--workers", 1), 0)
    said(cli(*given, "--out", "cut", "--workers", 0, "--checkpoint-every", 2), 0)
    newest = tmp_path / "cut" / "checkpoints" / "step-00000005"
    shutil.rmtree(newest)
    record = json.loads((tmp_path / "cut" / "run.json").read_text())
    assert "pillow" in record["images"]
    record["images"]["pillow"] = "1.0"
    (tmp_path / "cut" / "run.json").write_text(json.dumps(record))
    result = cli(*given, "--out", "cut", "--workers", 2, "--resume")
    assert "this run read its images with pillow 1.0, which is now" in said(result, 0)
    weights = "checkpoints/step-00000005/weights.safetensors"
    assert (tmp_path / "cut" / weights).read_bytes() == (tmp_path / "whole" / weights).read_bytes()


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ([("a.jpg", jpeg(1))], "a.jpg has no label"),
        ([("a.jpg", jpeg(1)), ("a.cls", b"dog")], "a.cls is not a whole number"),
        (
            [("a.jpg", jpeg(1)), ("a.cls", b"9" * 30)],
            "the label of .*train-001.tar:a.jpg is 9{30}, and there are fewer",
        ),
        ([("a.jpg", jpeg(1)), ("a.png", jpeg(1)), ("a.cls", b"1")], "two images of the name"),
        ([("a.txt", b"x")], "hold no images"),
    ],
)
def test_a_sample_that_is_not_one_is_named(shards, members, says):
    tar(shards / "train-001.tar", members)
    if says == "hold no images":
        tar(shards / "train-000.tar", members)
    with pytest.raises(DataError, match=says):
        opened(shards, "webdataset")


def test_damaged_tars_and_patterns_that_lead_elsewhere_are_named(shards):
    whole = (shards / "train-000.tar").read_bytes()
    (shards / "train-000.tar").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"train-000\.tar is (cut off|not a plain tar)"):
        opened(shards, "webdataset")
    import gzip

    (shards / "train-000.tar").write_bytes(gzip.compress(whole))
    with pytest.raises(DataError, match=r"train-000\.tar is not a plain tar"):
        opened(shards, "webdataset")
    for pattern in ("/etc/*.tar", "../shards/train*.tar"):
        with pytest.raises(DataError, match="leads out of"):
            opened(shards, "webdataset", train=pattern)
    with pytest.raises(DataError, match="holds nothing of the form learn"):
        opened(shards, "webdataset", train="learn*.tar")


def test_links_in_tars_are_nobodys_samples(shards):
    with tarfile.open(shards / "train-001.tar", "a") as made:
        info = tarfile.TarInfo("z.jpg")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        made.addfile(info)
    assert len(opened(shards, "webdataset").train) == 12


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
