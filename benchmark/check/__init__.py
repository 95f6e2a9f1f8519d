"""The contract of each kind of plugin, as checks that are run on one plugin: `python -m benchmark.check attack pgd`.

A check is a small function whose docstring says what it asks for; it is made on the real digits and tiny networks, by
the stages' own code.
"""
