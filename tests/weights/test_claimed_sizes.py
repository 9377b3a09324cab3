"""What a file of weights claims is compared with the net, and with what the file holds, before memory is taken for it."""

import json
import subprocess
import sys
import zipfile

import pytest

torch = pytest.importorskip("torch")

LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9"  # how PyTorch began its files before 1.6

LIMITED = """
import json, resource, sys
import archspec
from archspec.errors import WeightsError
from pathlib import Path
net = archspec.load("digits_resnet", set={"n": 1})
from archspec.weights.convert import read_fitting
import archspec_torch.state_dicts
limit = int(open("/proc/self/statm").read().split()[0]) * 4096 + (64 << 20)  # what is there, and 64 MiB
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
said = {}
for name in sys.argv[1:]:
    try:
        read_fitting(net, Path(name))
        said[name] = "taken"
    except WeightsError as error:
        said[name] = str(error)
print(json.dumps(said))
"""


def compressed(source, target):
    """The archive with all of its numbers zero, and compressed."""
    with zipfile.ZipFile(source) as whole, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as small:
        for info in whole.infolist():
            data = whole.read(info)
            if "/data/" in info.filename:
                with small.open(info.filename, "w", force_zip64=True) as record:
                    for _ in range(1024):
                        record.write(bytes(1 << 20))
            else:
                small.writestr(info.filename, data, zipfile.ZIP_STORED)


def renamed_size(path, name, size):
    """The archive with another size for a record in its directory."""
    raw = bytearray(path.read_bytes())
    at = raw.rindex(name.encode()) - 46
    for field in (20, 24):  # compressed and whole
        raw[at + field : at + field + 4] = size.to_bytes(4, "little")
    path.write_bytes(raw)


def claim(shape, size):
    return {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}


def header(path, tensors, data=b""):
    text = json.dumps(tensors).encode() if isinstance(tensors, dict) else tensors
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


@pytest.fixture(scope="module")
def claims(tmp_path_factory):
    """Small files that claim much, and what each is told."""
    folder = tmp_path_factory.mktemp("claims")
    import archspec

    state = archspec.build(archspec.load("digits_resnet", set={"n": 1}), "torch").state_dict()
    wide = {**state, "fc.weight": torch.zeros(1).expand(10**6, 10**6)}
    torch.save(wide, folder / "stride.pt")
    torch.save(wide, folder / "stride_old.pt", _use_new_zipfile_serialization=False)
    torch.save({"fc.weight": torch.zeros(4)}, folder / "one.pt")
    compressed(folder / "one.pt", folder / "inflates.pt")
    torch.save({"fc.weight": torch.zeros(4)}, folder / "record.pt")
    renamed_size(folder / "record.pt", "record/data/0", 1 << 31)
    long_frame = b"\x80\x04\x95" + (1 << 60).to_bytes(8, "little")
    (folder / "frame.pt").write_bytes(LEGACY + b" j\xa8P\x19.\x80\x02M\xe9\x03." + long_frame)
    (folder / "header.safetensors").write_bytes((1 << 40).to_bytes(8, "little") + b"{")
    header(folder / "tensor.safetensors", {"fc.weight": claim([10**6, 10**6], 4 * 10**12)})
    header(folder / "empty.safetensors", {"fc.weight": claim([0, 10**12], 0)})
    header(folder / "overlap.safetensors", {name: claim([4], 16) for name in "ab"}, bytes(16))
    one = json.dumps(claim([1], 4)).encode()
    header(folder / "twice.safetensors", b'{"a": %b, "a": %b}' % (one, one), bytes(4))
    header(folder / "deep.safetensors", b'{"a":' + b"[" * 200_000)
    names = sorted(p.name for p in folder.iterdir())
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *names], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


TOLD = {
    "stride.pt": "(1000000, 1000000) in the file, (10, 64) in the net",
    "stride_old.pt": "(1000000, 1000000) in the file, (10, 64) in the net",
    "inflates.pt": "is compressed, and `torch.save` compresses nothing",
    "record.pt": "would have 2,147,483,648 bytes",
    "frame.pt": "it ends too early",
    "header.safetensors": "its header",
    "tensor.safetensors": "does not fit into its 4,000,000,000,000 bytes, or they are not there",
    "empty.safetensors": "(0, 1000000000000) in the file, (10, 64) in the net",
    "overlap.safetensors": "overlap",
    "twice.safetensors": "names something twice",
    "deep.safetensors": "cannot read weights",
    "one.pt": "does not fit the net",
}  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
@pytest.mark.parametrize("name", TOLD)
def test_a_claim_is_refused_before_it_takes_memory(name, claims):
    assert TOLD[name] in claims[name], claims[name]
    assert claims.keys() == TOLD.keys()
