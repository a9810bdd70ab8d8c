"""Models from recordings: what `padit train` does, as functions."""

from padit.analysis.training.train import Training, train_model
from padit.analysis.training.write import save

__all__ = ["Training", "save", "train_model"]
