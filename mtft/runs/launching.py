"""How a script of ours behaves at the console: readable errors, quiet helpers."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from functools import wraps

from accelerate import PartialState
from transformers.utils.logging import disable_progress_bar

from mtft.errors import MtftError


def readable_errors(script: Callable[[], None]) -> Callable[[], None]:
    """The script's main function; what the user did wrong ends it with one message and exit code 2.

    `MTFT_DEBUG=1` shows the traceback.
    """

    @wraps(script)
    def main() -> None:
        try:
            disable_progress_bar()  # of loading and writing weights: there are better things to watch
            logging.basicConfig(format="%(message)s", level=logging.WARNING)
            main_process = int(os.environ.get("RANK", "0")) == 0
            logging.getLogger("mtft").setLevel(logging.INFO if main_process else logging.ERROR)
            script()
        except MtftError as error:
            if os.environ.get("MTFT_DEBUG"):
                raise
            print(f"error: {error}", file=sys.stderr)
            raise SystemExit(2) from None
        finally:
            if PartialState._shared_state:
                PartialState().destroy_process_group()

    return main
