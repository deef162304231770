"""How much time there is, by a clock that only goes forward."""

import time
from typing import Callable

Clock = Callable[[], float]


class Budget:
    """Seconds that may be used up from now on.

    Args:
        seconds: How many.
        clock: Gives the time in seconds.
    """

    def __init__(self, seconds: float, clock: Clock = time.monotonic) -> None:
        self.clock = clock
        self._end = clock() + seconds

    def left(self) -> float:
        """Seconds that are left, negative after the end."""
        return self._end - self.clock()

    def allows(self, seconds: float) -> bool:
        """Whether something that takes so long, as far as is known, may be begun."""
        left = self.left()
        return left > 0 and seconds <= left

    def part(self, share: float) -> "Budget":
        """A share of what is left."""
        return Budget(share * self.left(), self.clock)

    def keeping(self, seconds: float) -> "Budget":
        """All that is left but for so many seconds."""
        return Budget(self.left() - seconds, self.clock)
