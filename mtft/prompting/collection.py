"""Folders of template files, read dataset by dataset when they are asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mtft.errors import TemplateError, nearest
from mtft.prompting.failures import UnknownTemplateError
from mtft.prompting.files import read_templates
from mtft.prompting.template import Template
from mtft.resources import builtin_folder

FILE_NAME = "templates.yaml"
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
            for path in sorted(folder.rglob(FILE_NAME)):
                self._paths.setdefault(path.parent.relative_to(folder).as_posix(), path)

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

    def _load(self, name: str) -> DatasetTemplates:
        if name not in self._paths:
            raise TemplateError(
                "Templates must exist for the dataset.", found=f"`{name}`", remedy=nearest(name, self._paths)
            )
        path = self._paths[name]
        file = read_templates(path)
        said = file.dataset if file.subset is None else f"{file.dataset}/{file.subset}"
        if said != name:
            raise TemplateError(
                "A file's `dataset` and `subset` must be those of its folder.",
                found=f"`{said}` in folder `{name}`",
                where=path,
            )
        return DatasetTemplates(file.dataset, file.subset, path, file.templates)


def _key(name: str, path: Path) -> tuple[str, str | None]:
    """(dataset, subset) of a folder's name; the file says whether its last part is a subset."""
    with path.open(encoding="utf-8-sig") as lines:
        head = "".join(line for line, _ in zip(lines, range(3), strict=False))
    dataset, slash, subset = name.rpartition("/")
    return (dataset, subset) if slash and _SUBSET.search(head) else (name, None)
