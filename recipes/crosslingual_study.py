"""Does a recipe generalise across languages, or is it luck, format or shared words? Three seeds and their controls.

accelerate launch recipes/crosslingual_study.py                         # mT5 on mini-xP3
accelerate launch recipes/crosslingual_study.py --recipe xp3_bloom

Each seed: base model, finetune, and a finetune on shuffled labels from the same base. A held-out cell counts when the
lower end of its 95 % interval is above chance, the base model, the shuffled finetune, and a bag-of-tokens classifier
trained on the seen languages. A study that was stopped goes on where it was; further flags go to the recipe.
"""

from mtft.runs import read_study, readable_errors, study


@readable_errors
def main() -> None:
    """Runs what is missing, then says how many held-out cells count."""
    verdict = study(*read_study())
    for kind in ("trained_clusters", "held_out_clusters"):
        found = verdict[kind]
        print(f"held-out cells of {kind.replace('_', ' ')} that count: {found['count']} of {found['of']}")


if __name__ == "__main__":
    main()
