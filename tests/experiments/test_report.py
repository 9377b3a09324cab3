"""The report of some runs, opened in a real browser where there is one."""

import html.parser
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from archspec_cli.main import app
from archspec_experiments.collect import collect
from archspec_experiments.curves import error_curves
from archspec_experiments.figures import Axes, Curve, panel
from archspec_runtime.job.memory import bytes_as_text
from archspec_runtime.run.curves import draw_curves

pytest.importorskip("torch")

CPU = ("--device", "cpu", "--threads", 1, "--compile", "off")
NASTY = "<script>alert(1)</script>"


def run(*args, code=0):
    result = CliRunner().invoke(app, [str(a) for a in args])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A sweep's folder: plain and residual nets, two seeds of one, one measured, one cut, one failed, one not started."""
    folder = tmp_path_factory.mktemp("runs")
    for preset, seed in (("plain8", 0), ("resnet8", 0), ("resnet8", 1), ("resnet8", 2)):
        run("train", f"digits_resnet:{preset}", "--seed", seed, "--out", folder / f"{preset},seed={seed}",
            "--steps", 22, "--checkpoint-every", 11, *CPU)  # fmt: skip
    run("responses", folder / "plain8,seed=0", "--images", 20, "--device", "cpu")
    shutil.rmtree(folder / "resnet8,seed=2" / "checkpoints" / "step-00000022")
    (folder / "logs").mkdir()
    (folder / "logs" / "failed.log").write_text(f"$ archspec train\nerror: the loss is nan {NASTY}\n  help: none\n")
    points = [{"name": name, "net": f"net {NASTY}", "seed": 0} for name in ("failed", NASTY)]
    (folder / "sweep.json").write_text(json.dumps({"format": 1, "points": points}))
    return folder


@pytest.fixture(scope="module")
def page(runs, tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "report.html"
    assert "6 runs" in run("report", runs, "--out", out, "--title", f"Title {NASTY}").output
    return out


def test_nets_of_one_name_are_called_after_what_their_runs_share(runs, tmp_path):
    for batch in (64, 128):
        for seed in (0, 1):
            folder = tmp_path / f"batch={batch},seed={seed}"
            shutil.copytree(runs / f"resnet8,seed={seed}", folder)
            record = json.loads((folder / "run.json").read_text())
            record["job"]["recipe"]["batch_size"] = batch
            (folder / "run.json").write_text(json.dumps(record))
    assert [net.label for net in collect([tmp_path]).nets] == [f"digits-resnet-8 (batch={b})" for b in (128, 64)]


class Text(html.parser.HTMLParser):
    """Tags with their attributes, and the rows of tables as text."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.rows, self.ids, self.within = [], [], [], False
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.ids += [value for key, value in attributes if key == "id"]
        if tag == "tr":
            self.rows.append([])
            self.within = True
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        self.within = self.within and tag != "tr"

    def handle_data(self, data):
        if self.within and self.rows[-1]:
            self.rows[-1][-1] += data.strip()


def row(parsed, first):
    return next(cells for cells in parsed.rows if cells and cells[0] == first)


def test_the_table_has_mean_and_deviation_over_the_seeds_that_ended(runs, page):
    nets = {net.label: net for net in collect([runs]).nets}
    residual = nets["digits-resnet-8"]
    assert [run.state for run in residual.runs] == ["finished", "finished", "unfinished"]
    assert nets["digits-plain-8"].kind == "plain"
    assert residual.kind == "zero_pad"
    one, other = (run.summary.test_error for run in residual.finished)
    mean, deviation = (one + other) / 2, abs(one - other) / 2**0.5
    cells = row(Text(page.read_text()), "digits-resnet-8")
    assert f"{mean:.2f} ± {deviation:.2f}" in cells
    assert {"zero_pad", "75,002", "747,136", "2"} <= set(cells)
    assert "±" not in "".join(row(Text(page.read_text()), "digits-plain-8"))


def test_the_runs_say_what_memory_they_took(runs, page):
    kept = json.loads((runs / "plain8,seed=0" / "run.json").read_text())["memory"]["peak"]
    parsed = Text(page.read_text())
    assert row(parsed, "plain8,seed=0")[-1] == bytes_as_text(kept)
    assert [cells for cells in parsed.rows if cells[:1] == ["failed"]][-1][-1] == "–"


def test_a_page_of_some_runs_is_titled_by_all_of_them(runs, tmp_path):
    run("report", runs / "plain8,seed=0", runs / "resnet8,seed=1", "--out", tmp_path / "two.html")
    assert "<title>plain8,seed=0, resnet8,seed=1</title>" in (tmp_path / "two.html").read_text()


def test_responses_takes_the_folder_of_a_sweep(runs, tmp_path):
    done = run("responses", runs, "--images", 10, "--device", "cpu", "--out", tmp_path / "responses.svg")
    assert done.output.count("digits-resnet-8") == 6, "three runs, each in the table and above its layers"
    assert done.output.count("digits-plain-8") == 2


def test_long_names_of_many_runs_leave_the_picture_its_size_and_each_line_its_look(tmp_path):
    rows = [{"kind": "eval", "split": "test", "step": step, "top1_error": 9.0 - step} for step in (0, 1)]
    named = [(f"runs/sweeps/of-november/digits-resnet-{i}-layers,seed={i}", rows) for i in range(10)]
    draw_curves(named, [tmp_path / "curves.svg"])
    tags = Text((tmp_path / "curves.svg").read_text()).tags
    picture = next(attributes for tag, attributes in tags if tag == "svg")["viewbox"].split()
    inside = [
        attributes["d"] for tag, attributes in tags if tag == "path" and attributes.get("d", "").count("L") == 3
    ][1]
    xs, ys = ([float(word) for word in re.findall(r"[\d.]+", inside)[i::2]] for i in (0, 1))
    assert max(xs) - min(xs) > 0.85 * float(picture[2])
    assert max(ys) - min(ys) > 220, "points, three inches, whatever stands below"
    looks = [re.sub(r"stroke-opacity[^;]*;?", "", attributes["style"]) for tag, attributes in tags
             if tag == "path" and "stroke-width: 2" in attributes.get("style", "")]  # fmt: skip
    assert len(set(looks)) == 11, "of ten runs, and the grey of what is test"


def test_the_only_test_error_of_a_run_is_a_whole_dot(tmp_path):
    draw_curves(
        [("net", [{"kind": "eval", "split": "test", "step": 0, "top1_error": 0.0}])], [tmp_path / "curves.svg"]
    )
    text = (tmp_path / "curves.svg").read_text()
    dots = [
        attributes
        for tag, attributes in Text(text).tags
        if tag == "use" and "#1f77b4" in attributes.get("style", "")
    ]
    assert len(dots) == 1
    assert not re.search(r"<g clip-path[^>]*>\s*<use[^>]*#1f77b4", text)


def test_errors_of_zero_are_drawn_whole(tmp_path):
    """A line on the axis is not cut in half: in a run's own picture, and in the report's."""
    rows = [{"kind": "eval", "split": "test", "step": step, "top1_error": 0.0} for step in (0, 1, 2)]
    draw_curves([("net", rows)], [tmp_path / "curves.svg"])
    lines = [tag for tag, attributes in Text((tmp_path / "curves.svg").read_text()).tags
             if tag == "path" and "stroke-width: 2" in attributes.get("style", "") and "clip-path" not in attributes]  # fmt: skip
    assert len(lines) == 3, "the line, and two samples in the legend"
    parsed = Text(panel("zero", [Curve(0, [(0, 0.0), (2, 0.0)])], Axes("step", "error (%)", 2, 10)))
    frame = next(attributes for tag, attributes in parsed.tags if tag == "rect")
    bottom = float(frame["y"]) + float(frame["height"])
    (line,) = (
        attributes["d"] for tag, attributes in parsed.tags if "var(--series-0)" in attributes.get("style", "")
    )
    assert all(float(y) + 1 < bottom for y in line.split()[2::3]), "half of its 2 points stand below 0"


def test_curves_are_the_means_of_the_runs(runs):
    residual = next(net for net in collect([runs]).nets if net.kind != "plain")
    test, train = error_curves(residual.finished)
    by_run = [[r["top1_error"] for r in run.rows if r["kind"] == "eval"] for run in residual.finished]
    assert [y for _, y, _ in test] == pytest.approx([sum(pair) / 2 for pair in zip(*by_run, strict=True)])
    assert [x for x, _, _ in test] == [11, 22]
    assert train


def test_what_failed_or_was_not_finished_is_said_with_its_reason(page):
    parsed = Text(page.read_text())
    assert row(parsed, "failed")[2:] == ["failed", "0", f"the loss is nan {NASTY}"]
    assert row(parsed, NASTY)[2] == "not started"
    assert row(parsed, "resnet8,seed=2")[2] == "unfinished"


def test_nothing_of_users_is_taken_for_markup_and_nothing_is_fetched(page):
    source = page.read_text()
    parsed = Text(source)
    assert NASTY not in source
    assert "&lt;script&gt;" in source
    assert "script" not in {tag for tag, _ in parsed.tags}
    for tag, attributes in parsed.tags:
        assert tag not in ("link", "iframe", "img", "object", "a")
        for key, value in attributes.items():
            assert key not in ("src", "srcset")
            assert key != "href" or value.startswith("#"), (tag, value)
    assert "url(http" not in source
    assert "@import" not in source
    assert len(set(parsed.ids)) == len(parsed.ids)


def test_a_drawing_refers_to_what_is_in_it(page):
    source = page.read_text()
    ids = set(Text(source).ids)
    assert {*re.findall(r"url\(#([^)]+)\)", source), *re.findall(r'href="#([^"]+)"', source)} <= ids
    assert source.count("<svg") == 4, "plain, residual, and two of the responses"
    assert not re.search(r"#0[a-f0-9]0b|#010203|#040506", source)


def test_a_file_that_no_report_wrote_is_kept(runs, page, tmp_path):
    mine = tmp_path / "mine.html"
    mine.write_text("precious")
    assert "--force" in run("report", runs, "--out", mine, code=2).output
    assert mine.read_text() == "precious"
    run("report", runs, "--out", mine, "--force")
    run("report", runs, "--out", mine)
    assert "there are no runs" in run("report", tmp_path / "nowhere", "--out", tmp_path / "x.html", code=1).output
    assert not (tmp_path / "x.html").exists()


@pytest.mark.parametrize("width", [1280, 500])
def test_a_browser_shows_it_without_errors(page, width, tmp_path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("there is no Chromium on this machine")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--enable-logging=stderr",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},2000"]  # fmt: skip
    # a page around it, whose script may look at what the report's own policy lets no script of its own do
    (tmp_path / "report.html").write_text(
        page.read_text().replace("default-src 'none'", "script-src 'unsafe-inline'", 1)
        + """
<script>
const wide = [...document.querySelectorAll("figure, h1, p")].filter(e => e.getBoundingClientRect().right > innerWidth + 1);
const drawn = [...document.querySelectorAll("svg")].filter(e => e.getBoundingClientRect().height > 100);
document.body.innerHTML = `<output>${wide.length} ${drawn.length} ${document.documentElement.scrollWidth - innerWidth} ${
  [...document.querySelectorAll("svg path")].filter(e => getComputedStyle(e).stroke.startsWith("rgb")).length > 20}</output>`;
</script>"""
    )
    done = subprocess.run([browser, *flags, "--dump-dom", (tmp_path / "report.html").as_uri()], capture_output=True,
                          text=True, timeout=120)  # fmt: skip
    assert re.search(r"<output>0 4 (0|-\d+) true</output>", done.stdout), done.stdout[-500:] + done.stderr[-2000:]
    shown = subprocess.run([browser, *flags, f"--screenshot={tmp_path / 'shot.png'}", page.as_uri()], capture_output=True,
                           text=True, timeout=120)  # fmt: skip
    assert "CONSOLE" not in shown.stderr, shown.stderr
    assert (tmp_path / "shot.png").stat().st_size > 10_000


def test_a_run_trained_without_archspec_is_shown_as_far_as_it_goes(runs, tmp_path):
    shutil.copytree(runs / "plain8,seed=0", tmp_path / "run")
    (tmp_path / "run" / "code" / "spec.yaml").unlink()
    run("report", tmp_path / "run")
    assert "digits-plain-8" in Path(tmp_path, "run", "report.html").read_text()
