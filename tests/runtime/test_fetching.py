"""`archspec data fetch` and tars of the web: from a server that breaks off, lies, or sends what is hostile."""

import hashlib
import http.server
import shutil
import tarfile
import threading

import pytest

from archives import archive
from archspec_runtime.data.cifar import LAYOUTS
from archspec_runtime.data.cifar_files import MD5
from archspec_runtime.errors import DataError
from image_sets import opened, said, seen


class Server(http.server.BaseHTTPRequestHandler):
    """Files from memory, with ranges; `cuts` are the bytes after which answers break off, one after the other."""

    def do_GET(self):
        files, cuts, ranges = self.server.files, self.server.cuts, self.server.ranges
        if self.path in self.server.leads:
            self.send_response(302)
            self.send_header("Location", self.server.leads[self.path])
            self.end_headers()
            return
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
    monkeypatch.setattr("archspec_runtime.data.remote.PAUSES", (0.01, 0.01, 0.01))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    made.files, made.cuts, made.ranges, made.asked, made.leads = {}, [], True, [], {}
    made.address = f"http://127.0.0.1:{made.server_address[1]}"
    thread = threading.Thread(target=made.serve_forever, args=(0.02,))
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


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


@pytest.mark.parametrize(
    "place", ["ftp://127.0.0.1/c.tar.gz", "file:///etc/passwd", "data:,x", "FTP://127.0.0.1/c"]
)
def test_an_address_that_leads_off_the_web_is_not_followed(cli, server, place, tmp_path):
    server.leads["/c.tar.gz"] = place
    output = said(fetch(cli, server), 1)
    assert f"leads to {place}, which is not on the web: it was not followed" in output
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_an_address_that_leads_to_another_of_the_web_is_followed(cli, server):
    server.leads["/old.tar.gz"] = "/c.tar.gz"
    server.files["/c.tar.gz"] = WHOLE
    given = ("--url", f"{server.address}/old.tar.gz", "--md5", hashlib.md5(WHOLE).hexdigest())
    said(cli("data", "fetch", "cifar10", "--out", "out", *given), 0)


def test_an_encrypted_address_leads_to_encrypted_ones_alone():
    from archspec_runtime.data.remote import Redirects

    assert Redirects.refusal("https://a.org/x", "https://b.org/x") is None
    assert Redirects.refusal("http://a.org/x", "https://b.org/x") is None
    refused = Redirects.refusal("https://a.org/x", "http://b.org/x")
    assert refused.message.startswith("https://a.org/x leads to http://b.org/x, which is not encrypted")


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
    assert "--url takes another place" in result.stderr
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
