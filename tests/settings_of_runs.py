"""A small net with its images and batches, for trainers that are stepped by hand."""

from dataclasses import replace

import archspec
from archspec.emission.folder import job_fields
from archspec_runtime.batches.normalization import measure
from archspec_runtime.batches.order import Batches
from archspec_runtime.data.splits import open_dataset
from archspec_runtime.job.job import Job
from archspec_runtime.recipe.images import Data, HFlip, PadCrop
from archspec_runtime.recipe.recipe import Recipe

MOVED = (PadCrop(1), HFlip())


MANY = {"stages.layer1.repeat": 8}
"""So many equal blocks that they are one layer of the Flax model."""


def setting(data=None, net=None, **changes):
    """A small net with its images and batches under a changed recipe."""
    net = archspec.load("digits_resnet:resnet8", set=net or {})
    recipe = replace(Recipe.from_dict(net.recipe), data=data or Data(dataset="digits", augment=MOVED), **changes)
    job = replace(Job.from_dict(job_fields(net)), recipe=recipe)
    dataset = open_dataset(recipe.data, None, input_shape=job.input_shape, classes=10, seed=0)
    normalization = measure(recipe.data.normalize, dataset.train, job.input_shape)
    batches = Batches(dataset.train, recipe.data, recipe.batch_size, 0, job.input_shape, normalization)
    return net, job, dataset, normalization, batches
