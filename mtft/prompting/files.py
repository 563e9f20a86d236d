"""Reading `templates.yaml`, promptsource's format, from the YAML's syntax tree.

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

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple, NoReturn
from uuid import UUID

import yaml

from mtft.errors import TemplateError, nearest
from mtft.prompting.template import Template, TemplateMetadata

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEMPLATE_KEYS = ("answer_choices", "id", "jinja", "metadata", "name", "reference")
_LEGACY_KEYS = ("task_template",)  # stands in six public templates, with no meaning left
_METADATA_KEYS = ("choices_in_prompt", "languages", "metrics", "original_task")
_TEXT, _NULL, _BOOL = "tag:yaml.org,2002:str", "tag:yaml.org,2002:null", "tag:yaml.org,2002:bool"


class TemplateFile(NamedTuple):
    """The content of one file.

    Attributes:
        dataset: The dataset it is for.
        subset: The dataset's subset, or None.
        templates: In the file's order.
    """

    dataset: str
    subset: str | None
    templates: tuple[Template, ...]


def read_templates(path: Path) -> TemplateFile:
    """The templates of one file; their Jinja is compiled on first use.

    Raises:
        TemplateError: The file is not YAML of this format; ids or names occur twice; a key is unknown.
    """
    try:
        root = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=_Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TemplateError("A template file must be readable YAML.", found=error, where=path) from error
    top = _Mapping(root, path, ("dataset", "subset", "templates"))
    templates = tuple(_template(top.path, key, node) for key, node in _items(top.required("templates"), path))
    _check_names(templates)
    return TemplateFile(_text(top.required("dataset"), path), top.text("subset"), templates)


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


def _template(path: Path, key: yaml.Node, node: yaml.Node) -> Template:
    if node.tag != "!Template":
        _fail("Each entry of `templates` must be tagged `!Template`.", path, node, node.tag)
    values = _Mapping(node, path, _TEMPLATE_KEYS, _LEGACY_KEYS)
    uuid = _text(key, path)
    if not _is_uuid(uuid):
        _fail("A template's id must be a uuid.", path, key, f"`{uuid}`")
    if _text(values.required("id"), path) != uuid:
        _fail("A template's `id` must equal its key.", path, node, f"`{_text(values.required('id'), path)}`")
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


def _metadata(path: Path, node: yaml.Node | None) -> TemplateMetadata:
    if node is None or node.tag == _NULL:
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
        self, node: yaml.Node | None, path: Path, known: Collection[str], ignored: Collection[str] = ()
    ) -> None:
        self.path = path
        self._node = node
        self.nodes: dict[str, yaml.Node] = {}
        for key, value in _items(node, path):
            name = _text(key, path)
            if name not in known and name not in ignored:
                _fail("Keys must be known.", path, key, f"`{name}`", nearest(name, known))
            self.nodes[name] = value

    def required(self, name: str) -> yaml.Node:
        if name not in self.nodes:
            _fail(f"The key `{name}` must be given.", self.path, self._node, f"{', '.join(self.nodes)}")
        return self.nodes[name]

    def text(self, name: str) -> str | None:
        node = self.nodes.get(name)
        return None if node is None or node.tag == _NULL else _text(node, self.path)

    def flag(self, name: str) -> bool | None:
        node = self.nodes.get(name)
        if node is None or node.tag == _NULL:
            return None
        if node.tag != _BOOL:
            _fail(f"`{name}` must be true, false or null.", self.path, node, node.value)
        return node.value.lower() in ("true", "yes", "on")

    def texts(self, name: str) -> tuple[str, ...]:
        node = self.nodes.get(name)
        if node is None or node.tag == _NULL:
            return ()
        if not isinstance(node, yaml.SequenceNode):
            _fail(f"`{name}` must be a list or null.", self.path, node, node.tag)
        return tuple(_text(item, self.path) for item in node.value)


def _items(node: yaml.Node | None, path: Path) -> list[tuple[yaml.Node, yaml.Node]]:
    """Key and value nodes of a mapping without duplicate keys."""
    if not isinstance(node, yaml.MappingNode):
        _fail("Expected a mapping.", path, node, "nothing" if node is None else node.tag)
    seen: dict[str, yaml.Node] = {}
    for key, _ in node.value:
        text = _text(key, path)
        if text in seen:
            found = f"`{text}` again, first at {_place(path, seen[text])}"
            _fail("A key must not occur twice (template ids are keys).", path, key, found)
        seen[text] = key
    return list(node.value)


def _text(node: yaml.Node, path: Path) -> str:
    if not isinstance(node, yaml.ScalarNode) or node.tag != _TEXT:
        remedy = "Quote it, if it is meant as text." if isinstance(node, yaml.ScalarNode) else None
        _fail("A value must be text.", path, node, f"{node.value!r} ({node.tag})"[:80], remedy)
    return str(node.value)


def _place(path: Path, node: yaml.Node | None) -> str:
    return f"{path}:{node.start_mark.line + 1}" if node is not None else str(path)


def _fail(
    rule: str, path: Path, node: yaml.Node | None, found: object, remedy: str | None = None
) -> NoReturn:
    raise TemplateError(rule, found=found, where=_place(path, node), remedy=remedy)
