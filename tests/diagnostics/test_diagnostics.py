"""Every diagnostic has a page and a trigger, is found once at its place, and is said by every command."""

import re
import shlex
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

import archspec
from archspec.backends import Backend, registry
from archspec.diagnostics.codes import CODES, WARNINGS, page, severity
from archspec.ops import OPS

REPO = Path(__file__).parents[2]
PAGES = REPO / "docs" / "diagnostics"
FIXTURES = {path.stem: path for path in sorted((REPO / "tests" / "fixtures").glob("AS*.yaml"))}
# What takes more than one sound file, and the test here that does it.
ELSEWHERE = {
    "AS001": "test_files_that_cannot_be_read_are_named",
    "AS108": "test_presets_that_do_not_exist_are_refused",
    "AS109": "test_overrides_of_what_a_spec_does_not_have_are_refused",
    "AS112": "test_extends_stays_in_the_folder_unless_allowed",
    "AS701": "test_backends_that_cannot_be_used_are_named",
    "AS702": "test_every_operation_that_a_backend_lacks_is_named",
    "AS703": "test_a_net_of_one_size_is_named_with_the_layer_that_ties_it",
    "AS704": "test_source_that_does_not_run_is_not_written",
}
NET = "archspec: 1\ninput: {size: 8}\nclasses: 10\nhead: [global_avg_pool, {linear: {out: classes}}]\n"
READS_WIDTH = "stem: [{conv: {out: width, kernel: 1}}]\n"
TOO_SHORT = "train: {data: {dataset: digits}, steps: 9, lr: [{value: 0.1, until: step 10}, {value: 0.01}]}\n"


class Tiny(Backend):
    """A backend that lacks two operations."""

    name = "tiny"
    supported = frozenset(OPS) - {"hard_swish", "tanh"}

    def emit(self, net, weights=None):
        registry.check_supported(net, self)
        return {"model.py": ""}


class Sloppy(Backend):
    """A backend whose source names what it does not import."""

    name = "sloppy"
    supported = frozenset(OPS)

    def emit(self, net, weights=None):
        return {"model.py": "class Net(nn.Module):\n    pass\n"}


@pytest.fixture
def install(monkeypatch):
    """Install backends beside those that are there: each a name and what its entry point refers to."""

    def add(*added: tuple[str, str]):
        found = [*entry_points(group=registry.GROUP), *(EntryPoint(*each, registry.GROUP) for each in added)]
        monkeypatch.setattr(registry, "entry_points", lambda group: found)

    return add


def fences(code: str) -> list[tuple[str, str]]:
    """The fenced blocks of a page with their languages."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", page(code), re.M | re.S)


def codes_in(text: str) -> list[str]:
    return re.findall(r"^(?:error|warning)\[(AS\d+)\]", text, re.M)


def test_every_code_has_a_page_and_every_page_a_code():
    assert {path.stem for path in PAGES.glob("AS*.md")} == set(CODES)


def test_the_table_of_pages_lists_every_code_with_its_title():
    table = (PAGES / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"\| \[(\w+)\]\((\S+)\) \| (.+) \| (\w+) \|", table)
    assert rows == [(code, f"{code}.md", title, severity(code)) for code, title in CODES.items()]


@pytest.mark.parametrize("code", CODES)
def test_pages_have_one_form(code):
    headings = re.findall(r"^#+ .+", re.sub(r"^```.*?^```$", "", page(code), flags=re.M | re.S), re.M)
    assert headings == [f"# {code}: {CODES[code]}", "## Example", "## How to fix it"]
    assert page(code).splitlines()[2].startswith(f"Severity: {severity(code)}")
    assert [language for language, _ in fences(code)] in (["yaml", "text"], ["yaml", "text", "yaml"])


@pytest.mark.parametrize("code", CODES)
def test_the_example_of_a_page_gives_what_the_page_shows(code, cli, tmp_path, monkeypatch, install, request):
    install(("tiny", f"{__name__}:Tiny"), ("sloppy", f"{__name__}:Sloppy"))
    (tmp_path / "base.yaml").write_text(NET)
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "inside")
    (_, example), (_, shown) = fences(code)[:2]
    Path("net.yaml").write_text(example)
    Path("runs/net/code").mkdir(parents=True)  # what a run keeps of it
    Path("runs/net/code/spec.yaml").write_text(
        cli("show", "net.yaml", "--resolved").output if code == "AS703" else ""
    )
    prompt, _, expected = shown.partition("\n")
    result = cli(*shlex.split(prompt.removeprefix("$ archspec ")))
    if request.config.getoption("--update-golden"):
        text = page(code).replace(shown, f"{prompt}\n{result.output}")
        (PAGES / f"{code}.md").write_text(text, encoding="utf-8")
        return
    assert (result.exit_code, codes_in(result.output)) == (0 if code in WARNINGS else 1, [code])
    assert result.output == expected
    assert "   = help: " in result.output, "what to do about it"


@pytest.mark.parametrize("code", [code for code in CODES if len(fences(code)) == 3])
def test_the_mended_spec_of_a_page_has_no_mistakes(code, mistakes):
    assert mistakes(fences(code)[2][1]) == ()


def test_every_code_can_be_triggered():
    assert set(FIXTURES) | set(ELSEWHERE) == set(CODES)
    assert not set(FIXTURES) & set(ELSEWHERE)
    assert all(callable(globals()[name]) for name in ELSEWHERE.values())


@pytest.mark.parametrize("code", FIXTURES)
def test_fixtures_are_the_examples_of_their_pages(code):
    assert FIXTURES[code].read_text() == fences(code)[0][1].replace("net.yaml", f"{code}.yaml")


@pytest.mark.parametrize("code", FIXTURES)
def test_a_mistake_is_found_once_with_its_place_and_a_message(code):
    path = FIXTURES[code]
    (found,) = archspec.check(path)
    assert (found.code, found.title, found.span.source.name) == (code, CODES[code], str(path))
    assert 0 <= found.span.line < len(path.read_text().splitlines())
    assert found.span.column >= 0
    assert found.message
    assert found.help, "what to write instead"
    assert found.severity == severity(code)
    if not found.is_error:
        assert list(map(str, archspec.load(path).warnings)) == [str(found)]
        return
    with pytest.raises(archspec.SpecError, match=re.escape(found.message)) as raised:
        archspec.load(path)
    assert [d.code for d in raised.value.diagnostics] == [code]


@pytest.mark.parametrize("command", ["summary", "show", "build", "train", "diff resnet18"])
@pytest.mark.parametrize("code", sorted(FIXTURES.keys() - WARNINGS))
def test_every_command_says_the_mistake_and_gives_no_traceback(code, command, cli):
    result = cli(*command.split(), FIXTURES[code])
    assert (result.exit_code, codes_in(result.output)) == (1, [code])


@pytest.mark.parametrize(
    "command", ["summary", "show --resolved", "build --out net", "train --dry-run", "diff resnet18"]
)
@pytest.mark.parametrize("code", sorted(WARNINGS & FIXTURES.keys()))
def test_every_command_says_a_warning_on_stderr_and_goes_on(code, command, cli):
    if command.startswith("train") and "train:" not in FIXTURES[code].read_text():
        command = "summary --depth 1"
    result = cli(*command.split(), FIXTURES[code])
    assert (result.exit_code, codes_in(result.stderr)) == (1 if command.startswith("diff") else 0, [code])
    assert result.stdout
    assert f"[{code}]" not in result.stdout


@pytest.mark.parametrize("code", sorted(WARNINGS & FIXTURES.keys()))
def test_warnings_alone_fail_a_check_only_if_it_is_strict(code, cli):
    result, strict = (cli("check", FIXTURES[code], *words) for words in ([], ["--strict"]))
    assert (result.exit_code, strict.exit_code) == (0, 1)
    assert result.output == strict.output
    assert result.output.startswith(f"warning[{code}]: ")
    assert result.output.endswith("\n1 warning in 1 file\n")


def test_mistakes_and_warnings_are_counted_apart(cli, spec):
    result = cli(
        "check", spec(NET.replace("size: 8", "size: 8, sise: 9") + TOO_SHORT), FIXTURES["AS101"], FIXTURES["AS606"]
    )
    assert result.exit_code == 1
    assert result.output.endswith("\n2 errors, 1 warning in 3 files\n")


def test_a_spec_that_is_refused_says_its_warnings_as_well(spec):
    path = spec(NET.replace("size: 8", "channels: 1, size: 8").replace("classes: 10", "classes: 9") + TOO_SHORT)
    with pytest.raises(archspec.SpecError) as raised:
        archspec.load(path)
    assert [(d.code, d.severity) for d in raised.value.diagnostics] == [("AS603", "error"), ("AS606", "warning")]


@pytest.mark.parametrize("code", FIXTURES)
def test_a_spec_with_any_line_left_out_is_answered_too(code, mistakes):
    lines = FIXTURES[code].read_text().splitlines(keepends=True)
    for left_out in range(len(lines)):
        found = mistakes("".join(lines[:left_out] + lines[left_out + 1 :]))
        assert all(d.code in CODES and d.span and d.message for d in found)


def test_all_mistakes_of_one_file_come_in_one_run(cli, spec):
    text = """\
input: {size: 8, sise: 9}
classes: 10
stem:
  - conv: {out: widht, kernel: 3}
  - conf: {out: 16, kernel: 3}
  - conv: {out: 16, kernel: 3, strides: 2}
stages:
  - {name: forward, block: conv_norm_act, width: 16}
head: [global_avg_pool, {dropout: {rate: 50}}, {linear: {out: classes}}]
"""
    result = cli("check", spec(text))
    assert codes_in(result.output) == ["AS101", "AS202", "AS301", "AS303", "AS106", "AS104"]
    assert "6 errors in 1 file\n" in result.output


@pytest.mark.parametrize("content", [None, "folder", b"archspec: 1\nname: caf\xe9\n"])
def test_files_that_cannot_be_read_are_named(content, tmp_path):
    path = tmp_path / "net.yaml"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    (found,) = archspec.check(path)
    assert (found.code, found.span.source.name) == ("AS001", str(path))
    assert found.span.line == (1 if isinstance(content, bytes) else 0)


def test_presets_that_do_not_exist_are_refused(spec):
    path = spec(NET + READS_WIDTH + "args: {width: 16}\npresets: {wide: {width: 64}}\n")
    for arguments in ({"spec": f"{path}:wyde"}, {"spec": path, "preset": "wyde"}):
        (found,) = archspec.check(**arguments)
        assert (found.code, found.help) == ("AS108", "did you mean `wide`?")
    assert archspec.check(f"{path}:wide") == archspec.check(path, preset="wide") == ()


def test_overrides_of_what_a_spec_does_not_have_are_refused(spec, cli):
    path = spec(NET + READS_WIDTH + "args: {width: 16}\n")
    preset = spec(NET + READS_WIDTH + "args: {width: 16}\npresets: {wide: {widht: 64}}\n", "preset.yaml")
    for found in (archspec.check(path, set={"widht": 32}), archspec.check(preset, preset="wide")):
        assert [(d.code, d.help) for d in found] == [("AS109", "did you mean `width`?")]
    assert found[0].fix.title == "write `width`"
    assert archspec.check(path, set={"width": 32, "input.size": 16}) == ()


def test_a_preset_that_sets_arguments_alone_is_looked_at_although_it_is_not_chosen(spec):
    path = spec(NET + READS_WIDTH + "args: {width: 16}\npresets: {wide: {width: 64}, wider: {width: wide}}\n")
    (found,) = archspec.check(path)
    assert (found.code, found.span.line) == ("AS103", len(path.read_text().splitlines()) - 1)


def test_extends_stays_in_the_folder_unless_allowed(spec, tmp_path):
    spec(NET, "base.yaml")
    path = spec("archspec: 1\nextends: ../base.yaml\n", "inside/net.yaml")
    assert [d.code for d in archspec.check(path)] == ["AS112"]
    assert archspec.check(path, include=[tmp_path]) == ()


@pytest.mark.parametrize(
    ("wanted", "word"),
    [("torhc", "no backend"), ("broken", "does not load"), ("nothing", "does not load"), ("twice", "claimed by")],
)
def test_backends_that_cannot_be_used_are_named(wanted, word, install, cli, spec):
    install(("broken", "no_such_module:Backend"), ("nothing", f"{__name__}:Nothing"),
            ("twice", f"{__name__}:Tiny"), ("twice", "no_such_module:Backend"))  # fmt: skip
    result = cli("build", spec(NET), "--backend", wanted)
    assert (result.exit_code, codes_in(result.output)) == (1, ["AS701"])
    assert f"`{wanted}`" in result.output
    assert word in result.output


def test_every_operation_that_a_backend_lacks_is_named(install, spec):
    install(("tiny", f"{__name__}:Tiny"))
    net = archspec.load(spec(NET + "stem: [hard_swish, {mid: tanh}, hard_swish, relu]\n"))
    with pytest.raises(archspec.SpecError) as raised:
        archspec.emit(net, "tiny")
    assert [d.code for d in raised.value.diagnostics] == ["AS702", "AS702"]
    assert all(d.help for d in raised.value.diagnostics)
    assert re.findall(r"has no `(\w+)`, which `(\w+)`", str(raised.value)) == [("hard_swish",) * 2, ("tanh", "mid")]
    assert archspec.emit(archspec.load(spec(NET)), "tiny") == {"model.py": ""}


def test_source_that_does_not_run_is_not_written(install, cli, spec, tmp_path):
    install(("sloppy", f"{__name__}:Sloppy"))
    result = cli("build", spec(NET), "--backend", "sloppy", "--out", tmp_path / "built")
    assert (result.exit_code, codes_in(result.output)) == (1, ["AS704"])
    assert "line 1 of model.py: `nn` is not defined" in result.output
    assert "please report it" in result.output
    assert not (tmp_path / "built").exists()


def test_a_net_of_one_size_is_named_with_the_layer_that_ties_it(spec):
    from archspec.analysis.fully_convolutional import check_sizes

    check_sizes(spec(NET), [16, 24], archspec.load)
    tied = spec(NET.replace("global_avg_pool, {linear", "flatten, {linear"))
    with pytest.raises(archspec.SpecError) as raised:
        check_sizes(tied, [16, 24], archspec.load)
    assert [d.code for d in raised.value.diagnostics] == ["AS703"]
    assert "for 16x16 its weight would be 10x768 and not 10x192" in str(raised.value)
