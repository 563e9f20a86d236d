"""Scores of tagged sentences, regions and yes-or-no answers, worked by hand."""

from __future__ import annotations

import math

import pytest

from mtft.evaluation.aggregate import template_cells
from mtft.evaluation.examples import Sample
from mtft.evaluation.metrics import METRICS, chance_level
from mtft.evaluation.scorers import SCORERS, judge, unscorable_reason
from tests.evaluation.test_scorers import example, sample


def values(metric: str, *pairs: tuple[str, str]) -> dict[str, float]:
    """Metric → value of outputs with their targets."""
    made = [
        sample(metric, said, choices=None, targets=(gold,), row_id=str(n))
        for n, (said, gold) in enumerate(pairs)
    ]
    return {cell.place.metric: cell.value for cell in template_cells(made)}


GOLD = "<PER> Amina Musa </PER> of <LOC> Kano </LOC>"


def test_inline_spans_are_scored_with_malformed_and_miscopied_outputs_beside() -> None:
    found = values(
        "tag_f1",
        (GOLD, GOLD),
        ("<PER> Amina </PER> Musa of <LOC> Kano </LOC>", GOLD),  # one wrong span, one right
        ("<PER> Amina Musa </PER> of Kano </LOC>", GOLD),  # malformed; one right, one missed
        ("<PER> Amina Musa </PER> of the <LOC> Kano </LOC>", GOLD),  # a word too many; both right
    )
    # TP 2 + 1 + 1 + 2, FP 1, FN 1 + 1.
    assert found["tag_f1"] == pytest.approx(2 * 6 / (2 * 6 + 1 + 2))
    assert found["tag_accuracy"] == pytest.approx((4 + 3 + 3 + 4) / 16)
    assert found["malformed_rate"] == 0.25
    assert found["copy_mismatch_rate"] == 0.25


@pytest.mark.parametrize("mark", ["<extra_id_{}>", "[{}] "])
def test_marked_tags_are_scored_by_number(mark: str) -> None:
    def marked(tags: str, first: int = 0) -> str:
        return " ".join(mark.format(n) + tag for n, tag in enumerate(tags.split(), start=first))

    gold = marked("DET NOUN VERB")
    found = values(
        "tag_accuracy",
        (gold, gold),
        (marked("DET VERB VERB"), gold),
        (marked("NOUN VERB", 1), gold),
        ("?", gold),
    )
    assert found == {
        "tag_accuracy": pytest.approx((3 + 2 + 2 + 0) / 12),
        "malformed_rate": 0.25,
        "copy_mismatch_rate": 0.5,
    }


def test_the_schemes_of_begin_tags_do_not_matter_to_spans() -> None:
    found = values("tag_f1", ("[0] B-PER [1] I-PER [2] O", "[0] I-PER [1] I-PER [2] O"))
    assert found["tag_f1"] == 1.0
    assert found["tag_accuracy"] == pytest.approx(2 / 3)


def test_without_any_span_f1_is_no_number() -> None:
    assert math.isnan(values("tag_f1", ("a b", "a b"))["tag_f1"])


def test_boxes_are_hit_at_half_and_more_than_asked_for_costs() -> None:
    def box(*corners: int, text: str = "") -> str:
        return text + "".join(f"<loc_{corner}>" for corner in corners)

    gold = box(100, 100, 299, 299)
    found = values(
        "boxes",
        (gold, gold),
        (box(100, 100, 299, 200), gold),  # about half: 100/199 of the height
        (box(100, 100, 299, 150), gold),
        (gold + "<sep>" + box(0, 0, 9, 9), gold),
        ("there", gold),
    )
    assert found["box_acc_50"] == pytest.approx((1 + 1 + 0 + 0.5 + 0) / 5)
    assert found["box_iou"] == pytest.approx((1 + 100 / 199 + 50 / 199 + 0.5 + 0) / 5)
    assert found["malformed_rate"] == pytest.approx(1 / 5)
    named = values("boxes", (box(0, 0, 9, 9, text="b"), box(0, 0, 9, 9, text="a")))
    assert named["box_acc_50"] == 0.0


def yes(probability: float, target: str, row: str, group: str) -> Sample:
    margin = math.log(probability / (1 - probability))
    return sample(
        "roc_auc", [0.0, margin], choices=("no", "yes"), targets=(target,), row_id=row, item_group=group
    )


def test_the_roc_curve_is_of_the_probability_of_yes_among_both() -> None:
    made = [
        yes(0.9, "yes", "1", "a"),
        yes(0.2, "no", "2", "a"),
        yes(0.4, "yes", "3", "b"),
        yes(0.6, "no", "4", "b"),
    ]
    assert made[0].scores["margin"] == pytest.approx(0.9)
    cells = {cell.place.metric: cell for cell in template_cells(made)}
    assert cells["roc_auc"].value == pytest.approx(3 / 4)
    assert cells["label_accuracy"].value == 0.5
    assert chance_level(METRICS["roc_auc"][0], made) == pytest.approx(0.5)


@pytest.mark.parametrize("values_", [(-1e4, -1e4), (0.0, -1e4), (-1e4, 0.0)])
def test_probabilities_of_unlikely_labels_are_finite(values_: tuple[float, float]) -> None:
    found = judge(example(("no", "yes"), ("yes",)), SCORERS["roc_auc"], values_, None).scores
    assert 0 <= found["margin"] <= 1


@pytest.mark.parametrize(
    ("scorer", "made", "reason"),
    [
        ("tag_f1", example(None, targets=("<PER> Amina",)), "no tagged sentence"),
        ("tag_accuracy", example(None, targets=("",)), "no tagged sentence"),
        ("boxes", example(None, targets=("a<loc_1>",)), "no regions"),
        ("roc_auc", example(("a", "b", "c"), ("a",)), "3 answer choices"),
    ],
)
def test_what_no_output_could_be_scored_on_is_known_beforehand(
    scorer: str, made: object, reason: str
) -> None:
    assert reason in unscorable_reason(made, SCORERS[scorer])  # type: ignore[arg-type]
