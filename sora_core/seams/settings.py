"""What a user sets against seams on models of others; the defaults change nothing."""

from dataclasses import dataclass

from ..errors import check_range

MAX_EASING = 64  # latent frames


@dataclass(frozen=True, slots=True)
class JoinSettings:
    """How joins are helped while a video is sampled; the defaults change nothing.

    `hand_over` in [0, 1]: the share of the model's error on the nearest known frame that is taken
    from a generated frame beside it (`hand_over.py`). `reach`: latent frames over which that share
    falls to zero. `easing`: latent frames over which text guidance rises beside footage
    (`easing.py`), where 0 is what the model asks for: none, for models of others. ConfigError for
    other values.
    """

    hand_over: float = 0.0
    reach: int = 4
    easing: int = 0

    def __post_init__(self) -> None:
        check_range("hand_over", self.hand_over, 0, 1)
        check_range("reach", self.reach, 1)
        check_range("ease_guidance", self.easing, 0, MAX_EASING, unit="latent frames")
