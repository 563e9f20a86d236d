"""Structured data: tables, triples and meaning representations in one typed representation, and back."""

from mtft.structured.dart import read_dart, read_dart_file, to_dart
from mtft.structured.entry import Entry
from mtft.structured.logicnlg import TableSheet, read_logicnlg, read_logicnlg_file, to_logicnlg
from mtft.structured.meaning_representation import (
    VIGGO_LIST_SLOTS,
    read_meaning_representation,
    read_meaning_representation_file,
    to_meaning_representation,
    values_of,
)
from mtft.structured.scigen import read_scigen, read_scigen_file, to_scigen, without_markup
from mtft.structured.table import KINDS, Cell, Kind, Table, Title
from mtft.structured.totto import read_totto, read_totto_file, to_totto
from mtft.structured.triples import Triple, read_triples, to_triples
from mtft.structured.webnlg import read_webnlg, read_webnlg_file, to_webnlg

__all__ = [
    "KINDS",
    "VIGGO_LIST_SLOTS",
    "Cell",
    "Entry",
    "Kind",
    "Table",
    "TableSheet",
    "Title",
    "Triple",
    "read_dart",
    "read_dart_file",
    "read_logicnlg",
    "read_logicnlg_file",
    "read_meaning_representation",
    "read_meaning_representation_file",
    "read_scigen",
    "read_scigen_file",
    "read_totto",
    "read_totto_file",
    "read_triples",
    "read_webnlg",
    "read_webnlg_file",
    "to_dart",
    "to_logicnlg",
    "to_meaning_representation",
    "to_scigen",
    "to_totto",
    "to_triples",
    "to_webnlg",
    "values_of",
    "without_markup",
]
