"""Templates into other languages: sheets of protected segments, out and back."""

from mtft.prompting.translation.incoming import Incoming, choice_conflicts, translations_of
from mtft.prompting.translation.machine import Translator, filled_rows
from mtft.prompting.translation.rebuild import Translation, translated, translated_id
from mtft.prompting.translation.segments import Segment, segments_of
from mtft.prompting.translation.sheet import SheetRow, sheet_rows
from mtft.prompting.translation.sheet_files import read_sheet, write_sheet

__all__ = [
    "Incoming",
    "Segment",
    "SheetRow",
    "Translation",
    "Translator",
    "choice_conflicts",
    "filled_rows",
    "read_sheet",
    "segments_of",
    "sheet_rows",
    "translated",
    "translated_id",
    "translations_of",
    "write_sheet",
]
