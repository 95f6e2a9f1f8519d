"""Boards from records: what the engine measured, read back and laid out for people. Nothing here imports torch.

Data flows one way: records (JSON Lines) → table (numbers) → markdown, latex, webpage (text) → render (files, command
line). Beside it, from outcomes to sentences: statistics → paired → significance, claims → evidence (text), and transfer
(whose examples fool whom) → transfer_page; from tables to costs: efficiency, controls → efficiency_page (text); and to
pictures: plots (numbers) → draw (SVG) → pictures (files). `compare` is a command of its own.
"""
