"""Emitted models and trainers have strict types: the golden files, which are what is emitted, in one run for each framework."""

import shutil
import subprocess
import sys
import tomllib

import pytest

from conftest import REPO
from emitting import FAMILIES, GOLDEN

OWN = tomllib.loads((REPO / "pyproject.toml").read_text())["tool"]["mypy"]
CONFIG = f"""
[mypy]
strict = true
python_version = {OWN["python_version"]}
mypy_path = {REPO / "backends"}
untyped_calls_exclude = {",".join(OWN["untyped_calls_exclude"])}

[mypy-{",".join(OWN["overrides"][0]["module"])}]
ignore_missing_imports = true

[mypy-{{trainers}}]
disallow_untyped_calls = false
warn_unused_ignores = false
disable_error_code = import-untyped
"""
"""As the project's own, and more for trainers alone, so that what is known of a framework is found out once. `Tensor.backward`
and Optax have no types."""
MODELS = {"torch": GOLDEN, "flax": GOLDEN / "flax"}


@pytest.mark.parametrize("framework", MODELS)
def test_emitted_code_passes_strict_types(framework, tmp_path):
    pytest.importorskip(framework)
    folder = MODELS[framework]
    sources = {
        **{f"model_{path.parent.name}": path for path in folder.glob("*/model.py")},
        **{f"model_of_{path.parent.name}": path for path in (FAMILIES / framework).glob("*/model.py")},
        **{f"train_{path.stem}": path for path in (GOLDEN / "trainers" / framework).glob("*.py")},
        "model": folder / "cifar-resnet-20" / "model.py",
    }
    assert len(sources) > 20
    for name, path in sources.items():
        copy, layers = tmp_path / f"{name.replace('-', '_')}.py", path.with_name("layers.py")
        text = path.read_text()
        if path.name == "model.py" and layers.is_file():
            shutil.copy(layers, tmp_path / f"layers_of_{copy.name}")
            text = text.replace("from layers import", f"from layers_of_{copy.stem} import")
        copy.write_text(text)
    auxiliary = tmp_path / "train_auxiliary.py"
    auxiliary.write_text(
        auxiliary.read_text().replace("from model import GoogLeNet", "from model_of_googlenet import GoogLeNet")
    )
    trainers = ",".join(name for name in sources if name.startswith("train_"))
    (tmp_path / "mypy.ini").write_text(CONFIG.format(trainers=trainers))
    mypy = [sys.executable, "-m", "mypy", "--config-file=mypy.ini", f"--cache-dir={REPO / '.mypy_cache'}"]
    done = subprocess.run([*mypy, "."], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
