"""What the names on a board stand for, in words: one-line texts, not escaped, and the page's folded list of them."""

from benchmark.types import BEFORE, Attack, Compression, Recipe, Training, canonical
from leaderboard.table import Table
from leaderboard.text import NORM, escape


def described(recipe: Recipe) -> str:
    """A plugin and its arguments."""
    if recipe.plugin == BEFORE.plugin:
        scaled = ", in as many more epochs as make up for the fewer MACs" if recipe.arguments else ""
        return f"the training before it, once more{scaled}"
    arguments = ", ".join(f"{name.rstrip('_')} {canonical(value)}" for name, value in recipe.arguments)
    return recipe.plugin + (f" ({arguments})" if arguments else "")


def steps(compression: Compression) -> str:
    return ", then ".join(map(described, compression.steps)) or "nothing is done"


def trained(training: Training) -> str:
    after = f"; after the compression {described(training.after)}" if training.after else ""
    return described(training.before) + after


def crafted(attack: Attack) -> str:
    """An attack, and what its examples are made on."""
    where = "on the row's own network"
    if attack.runtime:
        where = f"for the row's artifact on {attack.runtime}: "
        where += "against itself" if attack.black_box else "on its network, and replayed"
    if attack.source:
        named = [f"{axis} {value}" for axis, value in vars(attack.source).items() if value is not None]
        where = f"on another network ({', '.join(named)}), the rest being the row's own"
    where += ", stopped at the boundary where another judges" * attack.boundary
    return f"{described(attack.recipe)}, {NORM[attack.norm]}, crafted {where}"


def recipes(table: Table) -> str:
    """A folded Markdown list."""
    grid = table.grid
    lines = [f"- compression **{escape(one.name)}**: {escape(steps(one))}" for one in grid.compressions]
    lines += [f"- training **{escape(one.name)}**: {escape(trained(one))}" for one in grid.trainings]
    lines += [f"- attack **{escape(one.name)}**: {escape(crafted(one))}" for one in grid.attacks]
    return "<details><summary>Recipes</summary>\n\n" + "\n".join(lines) + "\n\n</details>"
