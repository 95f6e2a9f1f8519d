"""One unit of work each: artifact in, artifact out. No stage knows the grid, the suite, or what comes after it."""
