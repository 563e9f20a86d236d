"""Methods of multitask training under the same budget, beside single-task models, over several seeds: one report.

accelerate launch recipes/mtl_compare.py                              # the micro-world: two CPU cores, offline
accelerate launch recipes/mtl_compare.py --methods sum uw famo pcgrad --seeds 1 2 3 4 5 6 7 8
accelerate launch recipes/mtl_compare.py --methods sum "hot=--loss_balancing sum --learning_rate 3e-3"
accelerate launch recipes/mtl_compare.py --preset smoke               # some two minutes; its scores mean nothing
accelerate launch recipes/mtl_compare.py --mixture open_multilingual --data_root DATA --max_steps 20

The first method is what the others are told apart from. A comparison that was stopped goes on where it was; further
flags go to the recipe, whose settings stand in `recipes/runs/mtl_compare.yaml`. docs/comparison.md says more.
"""

from mtft.runs import compare_methods, read_comparison, readable_errors


@readable_errors
def main() -> None:
    """Runs what is missing, then says which differences are real."""
    found = compare_methods(*read_comparison())
    for sentence in found["verdicts"]["methods"]:
        print(sentence)
    print(found["verdicts"]["overall"])


if __name__ == "__main__":
    main()
