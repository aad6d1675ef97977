"""The learning rate as a function of how far a run has come."""

import math

from hrvit_train.recipe import Recipe


def progress(recipe: Recipe, iteration: int, seconds: float) -> float:
    """The part of the run that is done, in [0, 1], after `iteration` iterations that took `seconds` in all."""
    done = iteration / recipe.iterations if recipe.iterations else seconds / (60 * recipe.minutes)
    return min(done, 1.0)


def learning_rate(recipe: Recipe, iteration: int, done: float) -> float:
    """The rate of iteration `iteration` (from 0) when the part `done` of the run lies behind it.

    Linear over `warm_up` iterations, times `(1 + cos(π done)) / 2` or `1 - done`.
    """
    warm = min(1.0, (iteration + 1) / recipe.warm_up) if recipe.warm_up else 1.0
    decay = (1 + math.cos(math.pi * done)) / 2 if recipe.schedule == "cosine" else 1 - done
    return recipe.lr * warm * decay
