"""Plans of the folders that tests make, without loading the text encoder."""

from functools import cache

from sora_core.checkpoints.text_file import SHIPPED_TEXT_ENCODER, read_text_config
from sora_core.training.own.folder import plan_folder
from sora_core.training.own.plan import PlanSettings


@cache
def tokenizer():
    return read_text_config(SHIPPED_TEXT_ENCODER)[1]


def planned(folder, **settings):
    """The plan of `folder` with these settings."""
    return plan_folder(folder, PlanSettings(**settings), tokenizer())


def reasons(plan):
    """Why each file is left out, by its name."""
    return {one.source: one.reason for one in plan.dropped}
