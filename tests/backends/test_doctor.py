"""What is installed, and what is not or is broken: said by `doctor` and by the commands that need it."""

import importlib
import os
import shutil
import sys

from archspec.backends.extras import install_command
from conftest import REPO


def test_doctor_lists_versions_and_devices(cli):
    result = cli("doctor")
    assert result.exit_code == 0
    for part in ("python", "pydantic", "backend torch", "cpu with"):
        assert part in result.output


def test_doctor_lists_every_extra_with_what_is_missing_and_the_command(cli, monkeypatch):
    import tomllib

    from archspec.backends import extras

    declared = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras.PURPOSES) == set(declared) - extras.COLLECTIONS - {"torch", "flax", "onnx"}
    lines = [f"{package}; extra == '{name}'" for name, packages in declared.items() for package in packages]
    monkeypatch.setattr(extras, "requires", lambda name: lines)
    installed = {"simplejpeg": "1.6.9", "opencv-python-headless": "5.0.0.93", "pyarrow": "26.0", "ray": "2.10.0rc1"}

    def version(name):
        if name in installed:
            return installed[name]
        raise extras.PackageNotFoundError(name)

    monkeypatch.setattr(extras, "version", version)
    out = cli("doctor").stdout
    images = out.partition("--   extra images: ")[2].splitlines()
    assert images[0].startswith(
        "opencv-python-headless 5.0.0.93; not installed: simplejpeg of 1.7 or newer (there is 1.6.9), cykooz-resizer"
    )
    assert images[1].strip() == install_command("images")
    assert "ok   extra parquet: pyarrow 26.0\n" in out
    assert "ok   extra ray: ray 2.10.0rc1\n" in out
    assert "--   extra webdataset: not installed: braceexpand (braces in the names of tars)\n" in out


def test_doctor_explains_the_unrelated_package_of_the_same_name(process, tmp_path):
    info = tmp_path / "other" / "archspec-0.2.5.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: archspec\nVersion: 0.2.5\n")
    result = process("doctor", env={**os.environ, "PYTHONPATH": str(tmp_path / "other")})
    assert result.returncode == 1
    assert "0.2.5" in result.stdout
    assert "pip uninstall archspec" in result.stdout


def test_unknown_backend_is_named_with_what_there_is(cli):
    result = cli("build", "resnet18", "--backend", "tensorflow")
    assert result.exit_code == 1
    assert "AS701" in result.output
    assert "torch" in result.output


BROKEN = {
    "no_such_module": "import no_such_module",
    "ZeroDivisionError: division by zero": "1 / 0",
    "SyntaxError: invalid syntax": "def (",
    "SystemExit: 3": "raise SystemExit(3)",
    "ValueError: no settings": "class Backend:\n    def __init__(self): raise ValueError('no settings')",
    "it lacks supported, emit": "class Backend:\n    name = 'broken'",
}


def test_a_broken_backend_is_named_with_its_error_and_breaks_no_other(cli, tmp_path, monkeypatch):
    info = tmp_path / "other" / "broken-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[archspec.backends]\nbroken = broken_backend:Backend\n")
    monkeypatch.syspath_prepend(tmp_path / "other")
    for says, text in BROKEN.items():
        (tmp_path / "other" / "broken_backend.py").write_text(text)
        sys.modules.pop("broken_backend", None)
        importlib.invalidate_caches()
        shutil.rmtree(tmp_path / "other" / "__pycache__", ignore_errors=True)
        for result in (cli("doctor"), cli("build", "resnet18", "--backend", "broken")):
            assert result.exit_code == 1
            assert isinstance(result.exception, SystemExit), "a traceback"
            assert says in result.output
            assert "pip uninstall broken" in result.output
        assert cli("build", "digits_resnet", "--backend", "torch", "--out", "built").exit_code == 0
    (tmp_path / "w.safetensors").touch()
    assert "w.safetensors" in cli("convert", "w.safetensors", "w.pt", "--spec", "digits_resnet").stderr


def test_backend_that_is_not_installed_says_which_extra(process, tmp_path):
    shadow = tmp_path / "shadow" / "torch"
    shadow.mkdir(parents=True)
    (shadow / "__init__.py").write_text("raise ImportError('no torch here')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "shadow")}
    result = process("train", "digits_resnet", "--steps", 1, env=environment)
    assert result.returncode == 1
    assert install_command("torch") in result.stderr
    assert "Traceback" not in result.stderr
    assert process("build", "digits_resnet", env=environment).returncode == 0, "source is written without it"
