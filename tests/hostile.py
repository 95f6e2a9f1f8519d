"""A board whose every name tries to become something: markup, a command, a formula, a script."""

from pathlib import Path

from benchmark.types import Attack, Compression, Epsilon, Suite, Training
from tests.synthetic_records import PGD, STANDARD, grid

NAMES = (
    "<script>document.title = 'taken'</script>",
    "</script><img src=x onerror=\"document.title='taken'\">",
    "a|b `x` [l](javascript:alert(1)) **b** ![i](http://example.org/x)",
    r"\input{/etc/passwd} $x^2$ #1 50% {a} ~ [x]* --",
    "_under_ &amp; &#60;b&#62; ${hash} \x1b[31m\u2028",
)


def hostile_suite() -> Suite:
    eps = (Epsilon(0.05, 0.05, NAMES[2]), Epsilon(0.1, 0.1, NAMES[3]))
    own = grid(
        name=NAMES[0],
        compressions=(Compression("dense"), *map(Compression, NAMES)),
        trainings=tuple(Training(name, STANDARD) for name in NAMES[:2]),
        attacks=tuple(Attack(name, PGD, "inf", eps) for name in NAMES[:3]),
    )
    return Suite(Path("suites/it's a.yaml"), NAMES[1], (0, 1), (own,), source=NAMES[2])
