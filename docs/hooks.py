"""What MkDocs does beside building the pages in this folder.

Files outside it that pages link to (scripts, cards of models, the changelog) become pages of the site, and so do the
notebooks in gallery/. So a link has one form, which works in the repository and in the site, and all are checked.
Formulas become MathML here, so a reader's browser loads nothing from elsewhere.
"""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Callable
from pathlib import Path

import nbformat
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbconvert import MarkdownExporter

DOCS = Path(__file__).parent
ROOT = DOCS.parent
_TARGET = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)")
_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.+?)\\[)\]]</\1>', re.S)
_CODE = re.compile(r"^(?:```|~~~).*?^(?:```|~~~)|``.+?``|`[^`\n]+`", re.M | re.S)
_SOURCE = "---\nhide: [navigation, toc]\nsearch: {exclude: true}\n---\n"
_LANGUAGE = {".py": "python", ".sh": "shell", ".yaml": "yaml", ".toml": "toml", ".cfg": "ini"}
_TEMPLATE = """
{%- extends 'markdown/index.md.j2' -%}
{%- block stream %}
``` { .text .output }
{{ output.text.rstrip() }}
```
{% endblock -%}
{%- block data_text scoped %}
``` { .text .output }
{{ output.data['text/plain'].rstrip() }}
```
{% endblock -%}
"""


def is_page(path: Path) -> bool:
    """Whether a file of the repository is in the site anyway."""
    return path.is_relative_to(DOCS) and path.suffix != ".py"


def uri_of(path: Path) -> str:
    """Where in the site a file of the repository is."""
    if is_page(path):
        uri = path.relative_to(DOCS).as_posix()
        return re.sub(r"\.ipynb$", ".md", uri)
    uri = path.relative_to(ROOT).as_posix()
    return "changelog.md" if uri == "CHANGELOG.md" else f"sources/{uri}{'' if path.suffix == '.md' else '.md'}"


def with_targets(markdown: str, change: Callable[[str], str]) -> str:
    """The text with its links' targets changed; those in code are left alone."""
    parts, start = [], 0
    for code in [*_CODE.finditer(markdown), None]:
        end = code.start() if code else len(markdown)
        parts.append(_TARGET.sub(lambda match: change(match[1]), markdown[start:end]))
        if code:
            parts.append(code[0])
            start = code.end()
    return "".join(parts)


def linked(page: Path) -> set[Path]:
    """The files outside this folder that a page links to."""
    found: list[str] = []
    with_targets(page.read_text(), lambda target: found.append(target) or target)
    paths = {(page.parent / target).resolve() for target in found}
    return {path for path in paths if path.is_file() and not is_page(path)}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds notebooks, and all files that are linked to from here, from such files too."""
    for notebook in sorted(DOCS.glob("gallery/*.ipynb")):
        for file in notebook_files(notebook, config):
            files.append(file)
    found: set[Path] = set()
    new = {ROOT / "CHANGELOG.md"} | {path for page in DOCS.rglob("*.md") for path in linked(page)}
    new |= {ROOT / "examples" / "gallery" / f"{path.stem}.py" for path in DOCS.glob("gallery/*.ipynb")}
    while new:
        found |= new
        new = {path for page in new if page.suffix == ".md" for path in linked(page)} - found
    for path in sorted(found):
        if path.suffix == ".md":
            file = File.generated(config, uri_of(path), abs_src_path=str(path))
        else:
            name = path.relative_to(ROOT).as_posix()
            text = f"{_SOURCE}# {name}\n\n````{_LANGUAGE.get(path.suffix, 'text')}\n{path.read_text()}````\n"
            file = File.generated(config, uri_of(path), content=text)
        files.append(file)
    return files


def notebook_files(notebook: Path, config: MkDocsConfig) -> list[File]:
    """A page, and the pictures in it."""
    name = notebook.stem
    markdown, resources = MarkdownExporter(raw_template=_TEMPLATE).from_notebook_node(
        nbformat.read(notebook, as_version=4), {"output_files_dir": name, "unique_key": name}
    )
    links = f"[Notebook]({name}.ipynb){{ download }} &middot; [script](../sources/examples/gallery/{name}.py.md)"
    title, _, body = markdown.strip().partition("\n")
    page = File.generated(config, f"gallery/{name}.md", content=f"{title}\n\n{links}\n{body}\n")
    return [page, *(File.generated(config, f"gallery/{uri}", content=png) for uri, png in resources["outputs"].items())]


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to files become links to their places in the site."""
    source = page.file.abs_src_path
    folder = Path(source).parent if source else DOCS / posixpath.dirname(page.file.src_uri)

    def change(target: str) -> str:
        path = (folder / target).resolve()
        if not path.is_file() or (target.endswith(".ipynb") and folder == DOCS / "gallery"):
            return target
        return posixpath.relpath(uri_of(path), posixpath.dirname(page.file.src_uri) or ".")

    return with_targets(markdown, change)


def on_page_content(content: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Formulas become MathML."""

    def formula(match: re.Match) -> str:
        math = convert(html.unescape(match[2]), display={"span": "inline", "div": "block"}[match[1]])
        return math.replace("<mi>log</mi>", '<mi>log</mi><mspace width="0.17em"/>')

    return _FORMULA.sub(formula, content)
