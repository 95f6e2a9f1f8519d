"""Walk a plan: which stages have to run, in what order, and what a failure takes with it."""
