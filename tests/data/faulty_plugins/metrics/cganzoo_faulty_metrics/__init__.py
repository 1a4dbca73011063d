"""A metric without fault, and the same with one fault each; which, is said in ``metrics.py``."""

import dataclasses

from cganzoo import Config, MetricOutput, MetricSpec, hookimpl

OF_THE_SPEC = ("wrong_direction", "unknown_split")
OF_THE_CODE = (
    "depends_on_the_order",
    "averages_averages",
    "undeclared_output",
    "output_missing_without_labels",
    "tensor_as_output",
    "wrong_formula",
    "moves_the_global_generator",
    "reseeds_the_global_generator",
    "follows_the_global_seed",
    "draws_unseeded",
    "changes_its_sums_when_asked",
    "empties_its_sums_when_asked",
    "changes_features",
    "shares_state",
    "crashes_without_labels",
    "crashes_without_logits",
    "takes_logits_for_classes",
    "crashes_without_samples",
    "nan_of_one_sample",
    "needs_the_generator",
    "crashes_on_one_class",
    "needs_color",
    "needs_more_images_than_features",
    "merges_means",
    "merges_nothing_badly",
    "merges_labelled_samples_alone",
    "puts_the_generator_into_training",
    "leaves_gradients",
    "needs_gradients",
    "keeps_every_generator",
    "keeps_what_the_generator_made",
    "keeps_every_real_image",
    "warns",
    "picture_of_bytes",
)


def build(name):
    def build_one(config, context):
        from . import metrics

        return getattr(metrics, name)(context)

    return build_one


@hookimpl
def cganzoo_metrics():
    distance = MetricOutput(name="mean_distance", summary="Squared distance of mean features", higher_is_better=False)
    slope = MetricOutput(name="mean_slope", summary="Mean gradient of the generator's pixels")
    faultless = MetricSpec(
        name="faultless", summary="Distance", config=Config, build=build("faultless"), outputs=(distance, slope)
    )
    yield faultless
    for name in OF_THE_CODE:
        yield dataclasses.replace(faultless, name=name, build=build(name))
    better = dataclasses.replace(distance, higher_is_better=True)
    yield dataclasses.replace(faultless, name="wrong_direction", outputs=(better, slope))
    yield dataclasses.replace(faultless, name="unknown_split", reference="validation")
