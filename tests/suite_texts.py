"""Suites as text for the plugins of `test_suite`: whole ones, and broken ones with their mistake's line and message."""

COMMON = """\
name: small
dataset: spots
model: net
compressions: {dense: []}
trainings: {standard: {before: plain}}
"""
WHOLE = COMMON + "eps: [0.1]\nattacks: {ball: {ball: }}\n"
ATTACKS = COMMON + "eps: [0.1]\nattacks:\n"
GRIDS = """\
name: two
eps: [0.1]
model: net
trainings: {standard: {before: plain}}
grids:
  - {name: a, dataset: spots, compressions: {dense: []}, attacks: {ball: {ball: }}}
  - name: b
    dataset: %s
    compressions: {dense: [], half: [{cut: {ratio: 0.5}}]}
    attacks: {sent: {ball: , from: %s}}
"""
BROKEN = {
    "duplicate key": (WHOLE + "model: net\n", 8, "model: is given twice, on lines 3 and 8"),
    "duplicate key in braces": (
        ATTACKS + "  a: {ball: {steps: 1, steps: 2}}\n",
        8,
        "attacks.a.ball.steps: is given twice",
    ),
    "unknown key": (WHOLE + "sedes: [0]\n", 8, "sedes: unknown key; it takes name, source, seeds"),
    "unknown key suggests": (WHOLE + "sedes: [0]\n", 8, "(did you mean seeds?)"),
    "how much to verify": (
        WHOLE + "verify: ful\n",
        8,
        "verify: unknown level 'ful'; it takes full, quick, none (did you",
    ),
    "stop where nobody else judges": (
        ATTACKS + "  a: {ball: , stop: boundary}\n",
        8,
        "attacks.a.stop: only the network that is attacked judges its examples",
    ),
    "an unknown stop": (
        ATTACKS + "  a: {ball: , from: dense, stop: early}\n",
        8,
        "stop: unknown stop early; it takes b",
    ),
    "stop of one that cannot": (
        ATTACKS + "  a: {flat: , from: dense, stop: boundary}\n",
        8,
        "attacks.a.stop: attack 'flat' cannot be told to (it does not read budget.mode); leave stop out",
    ),
    "stop of one that always does": (
        ATTACKS + "  a: {near: , from: dense, stop: boundary}\n",
        8,
        "attacks.a.stop: attack 'near' stops at the boundary by nature; leave stop out",
    ),
    "stop for a whole suite": (WHOLE + "stop: boundary\n", 8, "stop: unknown key; it takes name"),
    "eps_space": (WHOLE + "eps_space: 0.5\n", 8, "eps_space: unknown space 0.5; give pixels, or {normalised: 0.5}"),
    "eps_space of an attack": (ATTACKS + "  a: {ball: , eps_space: {std: 1}}\n", 8, "a.eps_space.std: unknown key"),
    "eps_space that makes an ε too large": (
        ATTACKS + "  a: {ball: , eps_space: {normalised: 11}}\n",
        6,
        "ε 0.1 is 1.1 in pixels",
    ),
    "budget of a training from scratch": (
        WHOLE.replace("before: plain", "before: {plain: {budget: equal}}"),
        5,
        "standard.before.budget: unknown parameter of training 'plain'; it takes epochs, note",
    ),
    "budget of a training without epochs": (
        WHOLE.replace("[]", "[{finetune: {rest: {budget: equal}}}]"),
        4,
        "1.finetune.budget: unknown parameter of training 'rest'; it takes nothing",
    ),
    "budget of a before without epochs": (
        WHOLE.replace("[]", "[{finetune: {before: {budget: equal}}}]").replace("plain", "rest"),
        5,
        "before: training 'rest' has no epochs, which compression 'dense' would scale",
    ),
    "an unknown budget": (
        WHOLE.replace("[]", "[{finetune: {before: {budget: double}}}]"),
        4,
        "finetune.before.budget: double is not among its choices; it takes equal",
    ),
    "before with more than a budget": (
        WHOLE.replace("[]", "[{finetune: {before: {epochs: 3}}}]"),
        4,
        "finetune.before.epochs: unknown key; it takes budget",
    ),
    "unknown runtime": (WHOLE + "runtimes: [openvin]\n", 8, "runtimes.1: unknown runtime 'openvin'; it takes openvino"),
    "runtime twice": (WHOLE + "runtimes: [openvino, openvino]\n", 8, "runtimes.2: runtime openvino is given twice"),
    "runtimes not a list": (WHOLE + "runtimes: openvino\n", 8, "must be a list, not openvino; write it as [openvino]"),
    "on an unknown runtime": (ATTACKS + "  a: {ball: , on: onyx}\n", 8, "attacks.a.on: unknown runtime 'onyx'"),
    "on a runtime that nothing is deployed to": (
        ATTACKS + "  a: {ball: , on: openvino}\n",
        8,
        "attacks.a.on: nothing is deployed to openvino here; give the grid runtimes: [openvino]",
    ),
    "headline": (WHOLE + "headline: 0.3\n", 8, "headline: ε 0.3 is no ε of norm inf in grid 'main'; it has 0.1"),
    "headline of a norm": (WHOLE + "headline: {2: 0.1}\n", 8, "headline.2: ε 0.1 is no ε of norm 2 in grid 'main'"),
    "headline of an unknown norm": (WHOLE + "headline: {max: 0.1}\n", 8, "headline.max: unknown norm 'max'"),
    "replay without runtimes": (WHOLE + "replay_eps: [0.1]\n", 8, "replay_eps: nothing is deployed, so nothing is"),
    "replay eps": (
        WHOLE + "runtimes: [openvino]\nreplay_eps: [0.1, x]\n",
        9,
        "replay_eps.2: must be a number such as 0.1",
    ),
    "bool for int": (
        ATTACKS + "  a: {ball: {steps: true}}\n",
        8,
        "attacks.a.steps: must be a whole number, not true",
    ),
    "float for int": (ATTACKS + "  a:\n    ball:\n      steps: 2.5\n", 10, "must be a whole number, not 2.5"),
    "text for number": (
        WHOLE.replace("0.1", "small"),
        6,
        "eps.1: must be a number such as 0.1, 1e-3 or 8/255, not small",
    ),
    "nan": (WHOLE.replace("0.1", ".nan"), 6, "must be a number"),
    "overflow": (WHOLE.replace("0.1", "1e999"), 6, "must be a finite number"),
    "eps zero": (WHOLE.replace("0.1", "0.1, 0"), 6, "eps.2: must be greater than 0, not 0"),
    "eps over 1": (WHOLE.replace("0.1", "1.5"), 6, "ε 1.5 is 1.5 in pixels"),
    "eps as 8": (WHOLE.replace("0.1", "8"), 6, "of a pixel (norm inf) (did you mean 8/255?)"),
    "eps as 8 in a space": (
        WHOLE.replace("0.1", "8") + "eps_space: {normalised: 0.5}\n",
        6,
        "ε 8 is 4 in pixels, more than the whole range [0, 1] of a pixel (norm inf) (did you mean 8/255?)",
    ),
    "a length in pixels as 8": (
        WHOLE.replace("before: plain", "before: {hard: {eps: 8}}"),
        5,
        "eps: 8.0 is outside its range, 0 < eps <= 1 (did you mean 8/255?)",
    ),
    "eps twice": (WHOLE.replace("0.1", "8/255, 16/510"), 6, "ε 16/510 is given twice, also as 8/255"),
    "divides by zero": (WHOLE.replace("0.1", "8/0"), 6, "8/0 divides by zero"),
    "no eps": (COMMON + "attacks: {ball: {ball: }}\n", 6, "attacks.ball: has no ε"),
    "ratio": (
        WHOLE.replace("[]", "[{cut: {ratio: 1}}]"),
        4,
        "compressions.dense.1.ratio: 1.0 is outside its range, 0 < r",
    ),
    "choice": (WHOLE.replace("[]", "[{cut: {ratio: .5, of: chanels}}]"), 4, "(did you mean channels?)"),
    "missing parameter": (
        WHOLE.replace("[]", "[cut]"),
        4,
        "compressions.dense.1: compression 'cut' needs ratio: float",
    ),
    "empty axis": (WHOLE.replace("{dense: []}", "{}"), 4, "compressions: is empty"),
    "empty axis of grid": (
        GRIDS % ("spots", "half") + "  - {name: c, dataset: spots, attacks: , compressions: }\n",
        11,
        "a mapping",
    ),
    "empty seeds": (WHOLE + "seeds: []\n", 8, "seeds: is empty"),
    "seed twice": (WHOLE + "seeds: [1, 1]\n", 8, "seed 1 is given twice"),
    "negative seed": (WHOLE + "seeds: [-1]\n", 8, "seeds.1: must be at least 0"),
    "limit": (WHOLE + "limit: {test: 0}\n", 8, "limit.test: must be at least 1, not 0"),
    "unknown plugin": (ATTACKS + "  a: {bal: {}}\n", 8, "attacks.a: unknown attack 'bal'"),
    "unknown parameter": (
        ATTACKS + "  pgd-20: {ball: {stp: 20}}\n",
        8,
        "attacks.pgd-20.stp: unknown parameter of attack 'ball'; it takes steps, restarts, step (did",
    ),
    "two plugins": (ATTACKS + "  a: {ball: , flat: }\n", 8, "must name one attack, not 2: ball, flat"),
    "key beside plugin": (
        ATTACKS + "  a: {ball: , frm: dense}\n",
        8,
        "attacks.a.frm: unknown key beside attack 'ball'",
    ),
    "nothing": (ATTACKS + "  a:\n", 8, "attacks.a: must name one attack, as {NAME: {…}}, not nothing"),
    "nested": ("name: " + "[" * 2000 + "\n", 1, "is nested too deeply"),
    "two documents": ("name: small\n---\nname: b\n", 2, "not YAML: expected a single document"),
    "art without class": (ATTACKS + "  a: {art: {max_iter: 5}}\n", 8, "attacks.a: attack 'art' needs class: 'AutoA"),
    "no plugin": (ATTACKS + "  a: {norm: 2}\n", 8, "attacks.a: names no attack"),
    "norm": (WHOLE + "norm: linf\n", 8, "norm: unknown norm 'linf'; it takes inf, 2, 1 (did you mean inf?)"),
    "norm without its own eps": (ATTACKS + "  a: {ball: , norm: 2}\n", 8, "attacks.a: has norm 2 of its own"),
    "norm of plugin": (ATTACKS + "  a: {flat: , norm: 2}\n", 8, "attacks.a: attack 'flat' has no norm 2; it takes inf"),
    "misspelt compression in from": (
        ATTACKS + "  a: {ball: , from: dens}\n",
        8,
        "attacks.a.from: unknown compression 'dens'",
    ),
    "misspelt grid in from": (GRIDS % ("spots", "{grid: aa}"), 10, "grids.b.attacks.sent.from.grid: unknown grid 'aa'"),
    "row not in other grid": (GRIDS % ("spots", "{grid: a}"), 10, "grid 'a' has no compression 'half'"),
    "other dataset in from": (GRIDS % ("{spots: {folder: x}}", "{grid: a, compression: dense}"), 10, "another dataset"),
    "seed in from": (GRIDS % ("spots", "{seed: 7}"), 10, "from.seed: seed 7 is not among the suite's seeds 0"),
    "not YAML": ("name: a: b\n", 1, "not YAML: mapping values are not allowed here"),
    "unclosed": ("name: small\nseeds: [1,\n", 3, "not YAML:"),
    "tab": ("name: small\nlimit:\n\ttest: 3\n", 3, "indent with spaces, not tabs"),
    "empty file": ("# nothing\n", 1, "the file is empty"),
    "not a mapping": ("- name\n", 1, "a suite is a mapping"),
    "not UTF-8": (b"name: small\nsource: \xff\n", 2, "not UTF-8: byte 0xFF"),
    "control character": ("name: small\nsource: \x07\n", 2, "character U+0007 is not allowed"),
    "tag": ("name: !!python/name:os.system x\n", 1, "tag !!python/name:os.system is not understood"),
    "alias in itself": (COMMON + "attacks: &a\n  b: *a\n", 7, "attacks.b: an alias (*) stands inside"),
    "missing required": ("name: small\n", 1, "needs 'dataset'"),
    "missing name": (WHOLE.replace("name: small\n", ""), 1, "needs 'name'"),
    "name of a suite": (WHOLE.replace("small", "../small"), 1, "name: '../small' cannot name a suite; use letters"),
    "missing in grid": (GRIDS % ("spots", "half") + "  - {name: c}\n", 11, "grids.c: needs 'dataset'"),
    "grid name twice": (
        GRIDS.replace("name: b", "name: A") % ("spots", "half"),
        7,
        "'A' differs from 'a' at most by case",
    ),
    "axis name": (WHOLE.replace("dense", "a/b"), 4, "'a/b' cannot be a display name"),
    "axis names by case": (ATTACKS + "  A: {ball: }\n  a: {ball: }\n", 9, "'a' differs from 'A' at most by case"),
    "training without before": (WHOLE.replace("before", "after"), 5, "trainings.standard: needs 'before'"),
    "finetune alone": (WHOLE.replace("[]", "[finetune]"), 4, "finetune needs a training"),
    "nothing to repeat": (
        WHOLE.replace("[]", "[{cut: {ratio: .5}}, {finetune: before}]").replace("before: plain", "before: none"),
        4,
        "compressions.dense.2: before of training 'standard' is none, so that there is nothing to repeat; name a",
    ),
    "new weights that nothing trains": (
        WHOLE.replace("[]", "[{finetune: before}, reinitialise, {finetune: none}]"),
        4,
        "compressions.dense.2: nothing trains the new weights of reinitialise with training 'standard'; put {fine",
    ),
    "new weights of a checkpoint that nothing trains": (
        WHOLE.replace("[]", "[reinitialise]").replace("before: plain", "before: none, after: none"),
        4,
        "compressions.dense.1: nothing trains the new weights of reinitialise with training 'standard'; put a finetune",
    ),
    "steps not a list": (
        WHOLE.replace("[]", "{cut: {ratio: .5}}"),
        4,
        "compressions.dense: must be a list, not a mapping; write it as [], or [{prune: {ratio: 0.5}}]",
    ),
    "compressions not a mapping": (WHOLE.replace("{dense: []}", "[dense]"), 4, "a list; write it as {dense: [], prune"),
    "trainings not a mapping": (
        WHOLE.replace("{standard: {before: plain}}", "plain"),
        5,
        "trainings: must be a mapping, not plain; write it as {standard: {before: {standard: {epochs: 5}}}}",
    ),
    "a training without its two parts": (
        WHOLE.replace("{before: plain}", "plain"),
        5,
        "trainings.standard: must be a mapping, not plain; write it as {before: {standard",
    ),
    "attacks not a mapping": (ATTACKS + "  - ball\n", 7, "must be a mapping, not a list; write it as {pgd-20: {pgd"),
    "parameters not a mapping": (ATTACKS + "  a: {ball: 20}\n", 8, "not 20; write it as {PARAMETER: VALUE}"),
    "eps not a list": (WHOLE.replace("[0.1]", "{a: 0.1}"), 6, "not a mapping; write it as 8/255, or [4/255, 8/255]"),
    "no eps at all": (WHOLE.replace("[0.1]", ""), 6, "not nothing; write it as 8/255, or [4/255, 8/255]"),
    "seeds not a list": (WHOLE + "seeds: 3\n", 8, "seeds: must be a list, not 3; write it as [0, 1]"),
    "limit of a dataset that says its size": (
        WHOLE.replace("dataset: spots", "dataset: cifar10") + "limit: {test: 10001}\n",
        8,
        "limit.test: 10001 is more than the 10000 test images of cifar10; give at most 10000",
    ),
    "limit not a mapping": (WHOLE + "limit: 500\n", 8, "not 500; write it as {train: 10000, test: 1000}"),
    "grids not a list": (WHOLE + "grids: {a: {}}\n", 8, "not a mapping; write it as [{name: first, …}, {name: sec"),
    "headline not a number": (WHOLE + "headline: [0.1]\n", 8, "not a list; write it as 0.1, or {inf: 0.1, 2: 0.5}"),
    "verify not a word": (WHOLE + "verify: [full]\n", 8, "not a list; write it as full, quick or none"),
    "from not a name": (ATTACKS + "  a: {ball: , from: [dense]}\n", 8, "not a list; write it as dense, or {compress"),
    "a model's list": (WHOLE.replace("net\n", "{net: {widths: 8}}\n"), 3, "values, not 8; write it as [1, 2]"),
    "claims not a list": (WHOLE + "claims: {better: 1}\n", 8, "write it as [{better: {rows: prune-50/standard, to: d"),
    "claim not a mapping": (WHOLE + "claims: [better]\n", 8, "not better; write it as {better: {rows: prune-50/sta"),
    "comparison not a mapping": (
        WHOLE + "claims: [{monotone: dense/standard}]\n",
        8,
        "monotone: must be a mapping, not dense/standard; write it as {rows: [dense/standard, prune-50/standard]}",
    ),
    "a claim's rows": (
        WHOLE + "claims: [{better: {rows: {dense: standard}, to: dense/standard}}]\n",
        8,
        "rows: must be a text, not a mapping; write it as prune-50/standard, or [prune-50/standard, prune",
    ),
    "broken plugin": (ATTACKS + "  a: broken\n", 8, "attacks/broken.py:1: not Python"),
    "default not literal": (
        ATTACKS + "  a: late\n",
        8,
        "attacks/late.py:1: parameter steps: its default default() is not a l",
    ),
    "art class": (ATTACKS + "  a: {art: {class: DeepFol}}\n", 8, "(did you mean DeepFool?)"),
    "art option": (ATTACKS + "  a: {art: {class: SquareAttack, max_itr: 5}}\n", 8, "(did you mean max_iter?)"),
    "art option's type": (
        ATTACKS + "  a: {art: {class: SquareAttack, max_iter: x}}\n",
        8,
        "must be a whole number, not x",
    ),
    "art option of ours": (ATTACKS + "  a: {art: {class: SquareAttack, eps: 1}}\n", 8, "it comes from the suite's eps"),
    "art norm": (ATTACKS + "  a: {art: {class: DeepFool}}\n", 8, "attack 'art' has no norm inf; it takes 2"),
}
