"""Models from recordings: what `padit train` does, as functions."""

from pipelines.training.train import Training, train_model
from pipelines.training.write import save

__all__ = ["Training", "save", "train_model"]
