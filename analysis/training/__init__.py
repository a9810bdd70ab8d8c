"""Models from recordings: the functions behind `padit train`."""

from padit.analysis.training.train import Training, train_model
from padit.analysis.training.write import save

__all__ = ["Training", "save", "train_model"]
