"""Square Attack (Andriushchenko et al., 2020): a random search that needs predictions only, no gradient.

It looks at one point a query, always on the ball's surface, and keeps it where the margin grows. A change is confined
to a square window whose side shrinks as the queries are used up.
"""

import math
from bisect import bisect_left
from functools import lru_cache

import torch
from art.estimators.classification import PyTorchClassifier
from art.estimators.classification.classifier import ClassifierMixin
from art.estimators.estimator import BaseEstimator

from benchmark.engine.ball_attack import BallAttack
from benchmark.engine.evasion import preprocesses
from benchmark.engine.losses import score
from benchmark.engine.oracle import evaluating
from benchmark.engine.random_start import Draws
from benchmark.engine.square_search import SEARCHES, Search
from benchmark.engine.walk import State

_HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)  # of p, after these many of 10,000 steps


class Queries:
    """The logits of an estimator that is asked and nothing else, float32; `forward` counts the examples asked about.

    A torch model that takes pixels is asked itself, in fp32 and on its device; any other by ART's `predict`, in numpy.
    """

    backward = 0
    bf16 = False

    def __init__(self, estimator):
        self.estimator, self.forward = estimator, 0
        self.torch = isinstance(estimator, PyTorchClassifier) and not preprocesses(estimator)

    @torch.no_grad()
    def judge(self, x: torch.Tensor) -> torch.Tensor:
        if self.torch:
            with evaluating(self.estimator.model):
                logits = self.estimator.model(x).float()
        else:
            answer = self.estimator.predict(x.cpu().numpy(), batch_size=max(1, len(x)))
            logits = torch.as_tensor(answer, dtype=torch.float32).to(x.device)
        self.forward += len(x)
        return logits

    logits = judge


class Square(BallAttack):
    """Square Attack on any ART classifier; norm "inf" or "2", images [n, c, h, w].

    queries: to each example in each of the `restarts`, the first being the random start (beside them, "decide" mode
    asks once about the clean image); p_init: the window's share of the image at first, halved on the original's
    schedule, which is stretched to the queries. Windows are drawn for each example by itself, and may lie anywhere: the
    authors' own code never touches the last row and column.

    It compares margins of what the estimator predicts: give it logits, for probabilities saturate. For the rest see
    `BallAttack`.
    """

    attack_params = [*BallAttack.attack_params, "queries", "p_init", "restarts"]  # noqa: RUF012
    norms = ("inf", "2")
    modes = ("examples", "decide")
    searches = SEARCHES
    least = (*BallAttack.least, ("queries", 2), ("restarts", 1))
    _estimator_requirements = (BaseEstimator, ClassifierMixin)

    def __init__(
        self,
        estimator,
        norm: str | float = "inf",
        eps: float = 0.3,
        queries: int = 5000,
        p_init: float = 0.8,
        restarts: int = 1,
        targeted: bool = False,
        batch_size: int = 128,
        mode: str = "decide",
        seed: int = 0,
    ):
        super().__init__(
            estimator,
            norm=norm,
            eps=eps,
            queries=queries,
            p_init=p_init,
            restarts=restarts,
            targeted=targeted,
            batch_size=batch_size,
            mode=mode,
            seed=seed,
        )
        self._oracle = Queries(estimator)

    @property
    def oracle(self) -> Queries:
        return self._oracle

    @property
    def device(self) -> torch.device:
        return self.estimator.device if self._oracle.torch else torch.device("cpu")

    @property
    def runs(self) -> int:
        return self.restarts

    @property
    def max_iter(self) -> int:
        """Steps in a run; the point after the last one costs a query, too."""
        return self.queries - 1

    def begin(self, state: State, seed: int) -> None:
        origin = state["origin"]
        if origin.ndim != 4:
            raise ValueError(f"images of shape {list(origin.shape[1:])}; Square Attack takes [channels, height, width]")
        draws = Draws(seed, state["index"], state["run"])
        state |= {
            "stream": draws.key,
            "top": origin,  # the best point of the run so far
            "top_score": torch.full_like(state["score"], -torch.inf),
            "point": self._search.start(draws, origin, float(self.eps)).clamp(*self._range),
        }

    def look(self, state: State) -> tuple[None, torch.Tensor]:
        return None, self._oracle.judge(state["point"])

    def advance(self, state: State, gradient: None, logits: torch.Tensor) -> None:
        margin = score(logits, state["label"], self.targeted)
        better = margin > state["top_score"]
        state["top_score"] = torch.where(better, margin, state["top_score"])
        state["top"] = torch.where(better.view(-1, 1, 1, 1), state["point"], state["top"])
        origin = state["origin"]
        pixels = origin.shape[2] * origin.shape[3]
        side = _sides(self.max_iter, float(self.p_init), pixels, origin.device)[state["step"]]
        draws = Draws(0, state["stream"], state["step"])
        point = self._search.change(draws, origin, state["top"], side, float(self.eps))
        state["point"] = point.clamp(*self._range)

    @property
    def _search(self) -> Search:
        return self.searches[self._norm.name]

    def _check_params(self) -> None:
        super()._check_params()
        if not 0 < self.p_init <= 1:
            raise ValueError(f"p_init is {self.p_init}; it must be above 0 and at most 1")


@lru_cache(maxsize=16)
def _sides(steps: int, p_init: float, pixels: int, device: torch.device) -> torch.Tensor:
    """int64 [steps]: the side of the window of the change after each look."""
    shares = (p_init / 2 ** bisect_left(_HALVINGS, int(step / steps * 10_000)) for step in range(steps))
    return torch.tensor([round(math.sqrt(share * pixels)) for share in shares], device=device)
