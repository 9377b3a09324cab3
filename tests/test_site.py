"""The documentation as a site: its navigation has every page, its links lead somewhere, and what is made of archspec is whole.

`make docs` builds it with Sphinx, which is as strict; here nothing but the pages is looked at.
"""

import base64
import json
import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

import archspec
from archspec.loading import zoo
from archspec_cli.main import COMMANDS
from conftest import REPO
from website import gallery, gather, library, navigation, options, python_api
from website.markdown import CODE, targets
from website.playground import with_links

PAGES = [*gather.sources(), gather.OVERVIEW, "editors/vscode/README.md"]


def anchors(text):
    """The anchors of a page's headings, as GitHub gives them."""
    found = []
    for heading in re.findall(
        r"^#{1,6} +(.+?) *$", CODE.sub(lambda code: code[0] if "\n" not in code[0] else "", text), re.M
    ):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.replace("`", ""))
        slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return found


def dead(page, text, known):
    """The links of a page that lead nowhere, where `known` gives the text of a page, and None for what is no page."""
    for target in targets(text):
        path, _, anchor = target.partition("#")
        if re.match(r"\w+:", target):
            continue
        place = navigation.within(path, page) if path else page
        there = text if not path else known(place)
        exists = there is not None or (REPO / place).exists()
        if not exists or (anchor and anchor not in anchors(there or "")):
            yield target


def of_the_checkout(place):
    return (
        (REPO / place).read_text(encoding="utf-8") if place.endswith(".md") and (REPO / place).is_file() else None
    )


@pytest.mark.parametrize("page", PAGES)
def test_links_and_their_anchors_lead_somewhere_in_the_checkout(page):
    assert not [*dead(page, (REPO / page).read_text(encoding="utf-8"), of_the_checkout)]


def test_specs_of_the_site_open_in_the_playground_beside_it():
    text = (REPO / "docs/diagnostics/AS303.md").read_text(encoding="utf-8")
    found = re.findall(r'<a href="\.\./\.\./play/#(v1=[\w-]+)">', with_links("docs/diagnostics/AS303.md", text))
    specs = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(found) == len(specs) == 2
    for link, spec in zip(found, specs, strict=True):
        packed = base64.urlsafe_b64decode(link.removeprefix("v1=") + "==")
        assert json.loads(zlib.decompress(packed, wbits=-15))["text"] == spec
    part = "```yaml\nclasses: 10\n```\n\n```text\narchspec: 1\n```\n"
    assert with_links("docs/x.md", part) == part, "what is a part of a spec, or is no spec, opens nowhere"


@pytest.fixture(scope="module")
def made():
    """The pages that are made, and of the gallery those of a net and its twin."""
    pages = dict([*options.pages(), *python_api.pages(), *library.pages()])
    for name in ("plain34", "resnet34", "vit"):
        pages[f"docs/zoo/{name}.md"] = gallery.page(name, archspec.load(name))
    return pages


def test_links_of_the_site_lead_somewhere(made):
    written = dict(gather.written())
    later = {
        f"docs/zoo/{name}{end}": ""
        for name in [*zoo.names(), "index"]
        for end in (".md", ".light.svg", ".dark.svg")
    }
    site = later | written | made
    for page, text in (written | made).items():
        if page.endswith(".svg"):
            continue
        assert not [*dead(page, text, site.get)], page
        assert not [
            target for target in targets(text) if navigation.within(target, page) in ("specs", "archspec/blocks")
        ]


def test_the_navigation_has_every_page():
    groups = navigation.groups((REPO / gather.OVERVIEW).read_text(encoding="utf-8"))
    assert [*groups] == ["Tutorial", "How-to guides", "Reference", "Explanation", "Project"]
    listed = [path for pages in groups.values() for path in pages]
    assert len(listed) == len({*listed})
    of_codes = {page for page in gather.sources() if re.fullmatch(r"docs/diagnostics/AS\d+\.md", page)}
    pages_made = {path for pages in navigation.MADE.values() for path in pages}
    assert {*listed} == ({*gather.sources()} - of_codes - {"README.md"}) | pages_made


def test_the_page_of_options_has_every_command_and_what_its_help_says(made, cli):
    page = made["docs/options.md"]
    for name in COMMANDS:
        assert f"## archspec {name}\n" in page
    for option in re.findall(r"--[a-z-]+", cli("check", "--help").output):
        assert f"`{option}" in page or option == "--help"
    assert "### archspec data fetch\n" in page


def test_the_page_of_python_has_all_that_archspec_offers(made):
    offered = {f"archspec.{name}" for name in archspec.__all__ if not name.startswith("_")}
    assert offered <= {name for names in python_api.GROUPS.values() for name in names}
    assert all(f":: {name}\n" in made["docs/python.md"] for name in offered)
    for name in offered:
        assert python_api.resolved(name).__doc__, name


def test_the_page_of_a_net_has_its_picture_costs_source_spec_and_code(made):
    page = made["docs/zoo/vit.md"]
    assert "Dosovitskiy et al. (2021), Table 1." in page
    assert (
        "| `vit_l_16` | 304,326,632 | 59,647,172,608 | 98 | 3x224x224 | [imagenet_deit](../recipes.md#imagenet_deit) |"
        in page
    )
    assert "vit.light.svg" in page
    assert "class VisionTransformer(nn.Module):" in page
    assert "class VisionTransformer(nnx.Module):" in page
    assert "[resnet34](resnet34.md)" in made["docs/zoo/plain34.md"]
    assert "\nextends: resnet34\n" in made["docs/zoo/plain34.md"]


def test_pictures_of_nets_come_in_the_colours_of_the_site():
    text = (REPO / "docs" / "resnet50.svg").read_text(encoding="utf-8")
    light, dark = dict(gather.in_both_colours("resnet50.svg", text)).values()
    assert "prefers-color-scheme" in text
    assert "prefers-color-scheme" not in light + dark
    assert light != dark


def test_every_page_of_the_library_is_there(made):
    for name in zoo.library():
        assert f"### {name}\n" in made["docs/library.md"]
    for name in zoo.recipes():
        assert f"## {name}\n" in made["docs/recipes.md"]


@pytest.mark.release
def test_the_site_builds_without_a_warning_and_asks_nobody_else(tmp_path):
    pytest.importorskip("sphinx")
    gather.gather(tmp_path / "pages")
    built = tmp_path / "site"
    words = [
        "-q",
        "-W",
        "--keep-going",
        "-c",
        REPO / "docs/website",
        "-d",
        tmp_path / "doctrees",
        tmp_path / "pages",
        built,
    ]
    subprocess.run([sys.executable, "-m", "sphinx", *words], check=True)
    assert (built / "searchindex.js").is_file()
    for page in [*built.rglob("*.html"), *built.rglob("*.css")]:
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|link|iframe)\b[^>]*(?:src|href)=\"((?:https?:)?//[^\"]*)", text)
        assert not loaded + re.findall(r"(?:url\(|@import )[\"']?((?:https?:)?//[^\"')]*)", text), Path(page).name
