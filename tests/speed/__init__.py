"""How long the same work takes here and elsewhere, interleaved in one run: `make speed`, or `python -m tests.speed`.

Test images are walked in chunks; on each chunk every implementation runs once, in rotating order, so that a busy
minute falls on all of them. Ratios are of medians over chunks. Whoever crafts, one fp32 judge says what is robust.
Everything is written line by line to a file, from which a killed run goes on and the tables are printed again.

    words → tables → ledger → grounds → peers → walk → one, curve, checks, agreement, batches, transfer, epochs, memory
"""

import os

os.environ.setdefault("TQDM_DISABLE", "1")  # the peers' progress bars, read when they are imported
