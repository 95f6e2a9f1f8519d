"""leanarmor's engine room: a suite file in, records out.

Data flows one way, top to bottom; a room imports only from rooms above it (a test enforces this), `run` excepted,
which composes them all:

errors → types → outcomes → schema → source → signature → foreign → loading → plugins → yaml_nodes → recipes → limits
→ epsilons → deployments → claims → verification → suite → device → plan → store → collect → examples → decidable
→ forecast → (no torch above this line) → vision → data → engine → deploy → stages → features → check → execute → run.
The board is made from the records by the neighbouring package `leaderboard`, which imports no torch.
"""

import os

# ART's trainers draw progress bars that no argument turns off, and tqdm reads this when torch first imports it
os.environ.setdefault("TQDM_DISABLE", "1")

__version__ = "0.1.0"
