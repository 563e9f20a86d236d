"""Reading `templates.yaml`, promptsource's format, from the YAML's tree.

No Python object is ever constructed from a tag, and every value keeps its line:

    dataset: super_glue
    subset: rte                     # optional
    templates:
      <uuid>: !Template
        answer_choices: Yes ||| No  # or null
        id: <uuid>
        jinja: "… ||| …"
        metadata: !TemplateMetadata
          choices_in_prompt: true
          languages: [en]
          metrics: [Accuracy]
          original_task: true
        name: can we infer
        reference: …
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NoReturn
from uuid import UUID

import yaml

from mtft.errors import TemplateError, nearest
from mtft.prompting import cache
from mtft.prompting.failures import LegacyKeyWarning
from mtft.prompting.parsed import TemplateFile
from mtft.prompting.template import Template, TemplateMetadata
from mtft.prompting.tree import BOOL, LIST, MAP, NULL, TEXT, Node, parse_tree

_TEMPLATE_KEYS = ("answer_choices", "id", "jinja", "metadata", "name", "reference")
_LEGACY_KEYS = ("task_template",)  # stands in six public templates, with no meaning left
_MAPPING_TAGS = (MAP, "!Template", "!TemplateMetadata")
_METADATA_KEYS = ("choices_in_prompt", "languages", "metrics", "original_task")


def read_templates(path: Path, *, cached: bool = True) -> TemplateFile:
    """The templates of one file; their Jinja is compiled on first use.

    Args:
        path: The file.
        cached: Use and fill the cache of parsed files, which goes by the file's content.

    Raises:
        TemplateError: The file is not YAML of this format; ids or names occur twice; a key is unknown.

    Warns:
        LegacyKeyWarning: A key of old files stands there, which says nothing any more.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TemplateError("A template file must be readable.", found=error, where=path) from error
    file = cache.load(content, path) if cached else None
    if file is None:
        file = parse_templates(content, path)
        if cached:
            cache.store(content, file)
    for name, line in file.legacy:
        message = f"{path}:{line}: the key `{name}` has no meaning any more and is passed over"
        warnings.warn_explicit(message, LegacyKeyWarning, str(path), line)
    return file


def parse_templates(content: bytes, path: Path) -> TemplateFile:
    """The templates of a file with this content, for messages at `path`; nothing is read, cached or warned of.

    Raises:
        TemplateError: The content is not YAML of this format.
    """
    try:
        root = parse_tree(content.decode("utf-8-sig"))
    except (yaml.YAMLError, ValueError) as error:
        raise TemplateError("A template file must be readable YAML.", found=error, where=path) from None
    top = _Mapping(root, path, ("dataset", "subset", "templates"))
    legacy: list[tuple[str, int]] = []
    entries = _items(top.required("templates"), path)
    templates = tuple(_template(path, key, node, legacy) for key, node in entries)
    _check_names(templates)
    return TemplateFile(_text(top.required("dataset"), path), top.text("subset"), templates, tuple(legacy))


def _check_names(templates: Iterable[Template]) -> None:
    seen: dict[str, Template] = {}
    for template in templates:
        if template.name in seen:
            raise TemplateError(
                "Template names must be unique within a file.",
                found=f"`{template.name}` again, first at {seen[template.name].where}",
                where=template.where,
            )
        seen[template.name] = template


def _template(path: Path, key: Node, node: Node, legacy: list[tuple[str, int]]) -> Template:
    if node.tag != "!Template":
        _fail("Each entry of `templates` must be tagged `!Template`.", path, node, node.tag)
    values = _Mapping(node, path, _TEMPLATE_KEYS, _LEGACY_KEYS)
    legacy += values.legacy
    uuid = _text(key, path)
    if not _is_uuid(uuid):
        _fail("A template's id must be a uuid.", path, key, f"`{uuid[:80]}`")
    if _text(values.required("id"), path) != uuid:
        _fail("A template's `id` must equal its key.", path, node, repr(values.required("id")))
    jinja, name = _text(values.required("jinja"), path), _text(values.required("name"), path)
    if not jinja.strip() or not name.strip():
        _fail("A template's `jinja` and `name` must not be empty.", path, node, "an empty one")
    return Template(
        id=uuid,
        name=name,
        jinja=jinja,
        answer_choices=values.text("answer_choices"),
        reference=values.text("reference") or "",
        metadata=_metadata(path, values.nodes.get("metadata")),
        where=_place(path, key),
    )


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _metadata(path: Path, node: Node | None) -> TemplateMetadata:
    if node is None or node.tag == NULL:
        return TemplateMetadata()
    if node.tag != "!TemplateMetadata":
        _fail("`metadata` must be tagged `!TemplateMetadata`.", path, node, node.tag)
    values = _Mapping(node, path, _METADATA_KEYS)
    return TemplateMetadata(
        choices_in_prompt=values.flag("choices_in_prompt"),
        languages=values.texts("languages"),
        metrics=values.texts("metrics"),
        original_task=values.flag("original_task"),
    )


class _Mapping:
    """A YAML mapping whose keys were checked; reads its values by type."""

    def __init__(
        self, node: Node | None, path: Path, known: Collection[str], ignored: Collection[str] = ()
    ) -> None:
        self.path = path
        self._node = node
        self.nodes: dict[str, Node] = {}
        self.legacy: list[tuple[str, int]] = []
        for key, value in _items(node, path):
            name = _text(key, path)
            if name in ignored:
                self.legacy.append((name, key.line))
            elif name not in known:
                _fail("Keys must be known.", path, key, f"`{name[:80]}`", nearest(name[:80], known))
            else:
                self.nodes[name] = value

    def required(self, name: str) -> Node:
        if name not in self.nodes:
            _fail(f"The key `{name}` must be given.", self.path, self._node, f"{', '.join(self.nodes)}")
        return self.nodes[name]

    def text(self, name: str) -> str | None:
        node = self.nodes.get(name)
        return None if node is None or node.tag == NULL else _text(node, self.path)

    def flag(self, name: str) -> bool | None:
        node = self.nodes.get(name)
        if node is None or node.tag == NULL:
            return None
        if node.tag != BOOL or node.text is None or node.text.lower() not in _FLAGS:
            _fail(f"`{name}` must be true, false or null.", self.path, node, repr(node))
        return _FLAGS[node.text.lower()]

    def texts(self, name: str) -> tuple[str, ...]:
        node = self.nodes.get(name)
        if node is None or node.tag == NULL:
            return ()
        if node.tag != LIST:
            _fail(f"`{name}` must be a list or null.", self.path, node, node.tag)
        return tuple(_text(item, self.path) for item in node.children)


_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def _items(node: Node | None, path: Path) -> list[tuple[Node, Node]]:
    """Key and value nodes of a mapping without duplicate keys."""
    children = [] if node is None else node.children
    if node is None or node.tag not in _MAPPING_TAGS or node.text is not None:
        _fail("Expected a mapping.", path, node, "nothing" if node is None else node.tag)
    pairs = list(zip(children[::2], children[1::2], strict=True))
    seen: dict[str, Node] = {}
    for key, _ in pairs:
        text = _text(key, path)
        if text in seen:
            found = f"`{text[:80]}` again, first at {_place(path, seen[text])}"
            _fail("A key must not occur twice (template ids are keys).", path, key, found)
        seen[text] = key
    return pairs


def _text(node: Node, path: Path) -> str:
    if node.text is None or node.tag != TEXT:
        remedy = "Quote it, if it is meant as text." if node.text is not None else None
        _fail("A value must be text.", path, node, f"{node!r} ({node.tag[:80]})", remedy)
    return node.text


def _place(path: Path, node: Node | None) -> str:
    return f"{path}:{node.line}" if node is not None else str(path)


def _fail(rule: str, path: Path, node: Node | None, found: object, remedy: str | None = None) -> NoReturn:
    raise TemplateError(rule, found=found, where=_place(path, node), remedy=remedy)
