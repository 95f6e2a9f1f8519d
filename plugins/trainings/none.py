"""No training: the network stays as its model plugin makes it (a checkpoint, say)."""


def train(estimator, data, context):
    pass
