"""Folders of template files, read dataset by dataset when they are asked for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from mtft.errors import TemplateError, nearest
from mtft.prompting.failures import UnknownTemplateError
from mtft.prompting.files import read_templates
from mtft.prompting.template import Template
from mtft.resources import builtin_folder

FILE_NAME = "templates.yaml"
_HEAD_BYTES = 4096
_SUBSET = re.compile(r"^subset:\s*(?!null\b|~)\S", re.MULTILINE)


class DatasetTemplates(Mapping[str, Template]):
    """The templates of one dataset or subset, by name, in the file's order.

    Args:
        dataset: The dataset.
        subset: Its subset, or None.
        path: The file.
        templates: Its templates, with distinct names and ids.
    """

    def __init__(self, dataset: str, subset: str | None, path: Path, templates: Sequence[Template]) -> None:
        self.dataset = dataset
        self.subset = subset
        self.path = path
        self._by_name = {template.name: template for template in templates}
        self._by_id = {template.id: template for template in templates}

    def __getitem__(self, name: str) -> Template:
        if name not in self._by_name:
            raise UnknownTemplateError(
                "A template must be one of the dataset's.",
                found=f"`{name}`",
                where=self.path,
                remedy=nearest(name, self._by_name),
            )
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def by_id(self, uuid: str) -> Template:
        """The template with this uuid.

        Raises:
            UnknownTemplateError: There is none.
        """
        if uuid not in self._by_id:
            raise UnknownTemplateError(
                "A template id must be one of the dataset's.",
                found=f"`{uuid}`",
                where=self.path,
                remedy=nearest(uuid, self._by_id),
            )
        return self._by_id[uuid]


class TemplateCollection:
    """The template files under some folders.

    A file found in an earlier folder replaces the file for the same dataset in a later one.

    Args:
        folders: Folders laid out as `<dataset>/[<subset>/]templates.yaml`; a dataset's name may hold a slash.

    Raises:
        TemplateError: A folder does not exist.
    """

    def __init__(self, folders: Sequence[str | Path]) -> None:
        self._paths: dict[str, Path] = {}
        self._loaded: dict[str, DatasetTemplates] = {}
        for folder in map(Path, folders):
            if not folder.is_dir():
                raise TemplateError("A template folder must exist.", found=folder)
            for name in _names(folder):
                self._paths.setdefault(name, folder / name / FILE_NAME)

    @classmethod
    def from_folder(cls, folder: str | Path) -> TemplateCollection:
        """The templates under one folder."""
        return cls([folder])

    @classmethod
    def from_folders(cls, folders: Sequence[str | Path]) -> TemplateCollection:
        """The templates under several folders; the first that has a dataset's file provides it."""
        return cls(folders)

    @classmethod
    def builtin(cls) -> TemplateCollection:
        """The templates that come with the package."""
        return cls([builtin_folder("prompts")])

    def __len__(self) -> int:
        return len(self._paths)

    def keys(self) -> list[tuple[str, str | None]]:
        """(dataset, subset) of every file; only the head of each is read."""
        return [_key(name, path) for name, path in sorted(self._paths.items())]

    def get(self, dataset: str, subset: str | None = None) -> DatasetTemplates:
        """The templates of one dataset, read on the first call.

        Args:
            dataset: The dataset's name, or `dataset/subset`.
            subset: The subset, where the file is for one.

        Raises:
            TemplateError: There is no such file, or it is malformed.
        """
        name = dataset if subset is None else f"{dataset}/{subset}"
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def load_all(self) -> list[DatasetTemplates]:
        """The templates of every file, in the order of `keys`.

        Raises:
            TemplateError: A file is malformed, or a template's id stands in two files.
        """
        loaded = [self.get(name) for name in sorted(self._paths)]
        seen: dict[str, Template] = {}
        for template in (template for templates in loaded for template in templates.values()):
            if template.id in seen:
                raise TemplateError(
                    "A template's id must occur once in a collection.",
                    found=f"`{template.id}` again, first at {seen[template.id].where}",
                    where=template.where,
                    remedy="Give the copy a fresh uuid.",
                )
            seen[template.id] = template
        return loaded

    def path_of(self, name: str) -> Path:
        """The file of a dataset, `dataset` or `dataset/subset`; it is not read.

        Raises:
            TemplateError: There is none.
        """
        if name not in self._paths:
            raise TemplateError(
                "Templates must exist for the dataset.", found=f"`{name}`", remedy=nearest(name, self._paths)
            )
        return self._paths[name]

    def _load(self, name: str) -> DatasetTemplates:
        path = self.path_of(name)
        file = read_templates(path)
        said = file.dataset if file.subset is None else f"{file.dataset}/{file.subset}"
        if said != name:
            raise TemplateError(
                "A file's `dataset` and `subset` must be those of its folder.",
                found=f"`{said}` in folder `{name}`",
                where=path,
            )
        return DatasetTemplates(file.dataset, file.subset, path, file.templates)


def _names(folder: Path) -> list[str]:
    """The datasets under a folder, by the folders that hold template files."""
    top = str(folder)
    found = [place for place, _, files in os.walk(top) if FILE_NAME in files]
    return sorted(os.path.relpath(place, top).replace(os.sep, "/") for place in found)


def _key(name: str, path: Path) -> tuple[str, str | None]:
    """(dataset, subset) of a folder's name; the file says whether its last part is a subset."""
    head = ""
    with suppress(OSError), path.open("rb") as file:  # whoever reads the file is told what is wrong with it
        head = "\n".join(file.read(_HEAD_BYTES).decode("utf-8-sig", "replace").splitlines()[:3])
    dataset, slash, subset = name.rpartition("/")
    return (dataset, subset) if slash and _SUBSET.search(head) else (name, None)
