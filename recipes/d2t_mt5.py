"""Finetuning of mT5 to say structured data in words: triples, meaning representations and tables.

accelerate launch recipes/d2t_mt5.py                          # the micro-world: offline, two CPU cores, minutes
accelerate launch recipes/d2t_mt5.py --input_style both       # one format for all structures, beside each its own
accelerate launch recipes/d2t_mt5.py --mixture d2t --data_root DATA
accelerate launch recipes/d2t_mt5.py --sources webnlg --input_style varied --data_root DATA
accelerate launch recipes/d2t_mt5.py --mixture d2t --shots_train 5% --model google/mt5-small --data_root DATA

Settings stand in `recipes/runs/d2t_mt5.yaml`; every one of them is also a flag, and `--preset smoke` takes a minute.
docs/data_to_text.md has the grid.
"""

from mtft.runs import data_to_text, read_data_to_text, readable_errors

RECIPE = "d2t_mt5"


@readable_errors
def main() -> None:
    """Rows → mixture → base model → evaluation → finetuning → evaluation → report, once for each input style."""
    arguments, flags = read_data_to_text()
    print("Report:", data_to_text(arguments, RECIPE, flags) / "report.html")


if __name__ == "__main__":
    main()
