"""Our ART classes: the estimator that wraps every model, and what attacks and trainings are built from."""
