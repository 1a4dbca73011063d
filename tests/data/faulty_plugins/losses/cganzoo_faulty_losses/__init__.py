"""Losses with one fault each, and one without."""

from __future__ import annotations

from cganzoo import LossSpec, hookimpl

from .config import ChoiceConfig, GrowingConfig, OpenConfig, SoundConfig, UndescribedConfig

FAULTS = {
    "sound": "Nothing is wrong with it",
    "fixed_classifier": "Nothing is wrong with it: a head may be fixed",
    "contrasts": "Nothing is wrong with it: samples may be compared",
    "running_mean": "Nothing is wrong with it: a buffer may move",
    "arrays_of_terms": "A term is not reduced to a scalar",
    "bfloat16_terms": "A term is in bfloat16",
    "names_by_batch": "The names of its terms depend on the batch",
    "two_classes_at_least": "Divides by the number of other classes",
    "own_class_only": "Infinite where all samples are of one class",
    "two_samples_at_least": "Takes a variance over the batch",
    "pairs_only": "Takes as many fakes as real samples, and no other number",
    "naive_logistic": "Overflows for large features",
    "root_of_zero": "An infinite slope at zero features",
    "pole_at_one": "Infinite for features that bfloat16 rounds to 1",
    "detached_fakes": "The discriminator's loss detaches the fakes' features",
    "detached_generator": "A generator's loss that detaches the features, beside a term that does not reach all",
    "unused_head": "A head that no loss uses",
    "dead_head": "A head whose output is multiplied by zero",
    "unfreezes": "The generator's loss unfreezes the heads",
    "clips_large_weights": "Writes to the heads, which happens to change no value",
    "clips_weights": "The discriminator's loss changes the heads' values",
    "calls_backward": "The discriminator's loss calls backward itself",
    "clamps_images": "Changes the images in place",
    "first_sample_first": "Weighs samples by their place in the batch",
    "secretly_relational": "Compares samples of the batch, and does not say so",
    "sums": "Sums over the batch where a mean belongs",
    "secretly_conditional": "Says that it trains any generator, and reads the fakes' labels",
    "secretly_unconditional": "Says that it needs classes, and does not read them",
    "deaf_to_schedules": "Takes the first value of a schedule for good",
    "score_of_batch": "The score depends on the rest of the batch",
    "score_of_columns": "The score is a column, not a vector",
    "torch_noise": "Draws from torch's global random numbers",
    "numpy_draw": "Moves numpy's global random numbers",
    "counts_calls": "Follows a counter that no checkpoint holds",
    "shared_classes": "Keeps the number of classes in its module",
    "numpy_heads": "Initialises a head with numpy's random numbers",
    "unsaved_projection": "A random projection that is not in the state dict",
    "unloadable_state": "An object in its state dict",
    "other_formula": "Differs from its reference",
    "float32_only": "Computes in float32, whatever it is given",
    "waits": "Reads a value back from the device",
    "left_behind": "Creates a tensor on the CPU",
    "prints": "Prints in the step",
    "averages_by_class": "Averages within classes first, which halves of a batch do otherwise",
    "follows_rank": "The second process leaves out a term",
    "faulty_choice": "One choice of an option fails for a single sample",
    "maximises_class_loss": "The discriminator maximises its class term",
    "next_class": "The generator is held to another class than it was asked for",
    "learns_classes_of_fakes": "Says that it needs classes, and nothing teaches the generator any",
    "negated_score": "A higher score means less real",
    "keeps_graph": "Keeps the last step's graph",
    "collects": "A list that grows with every step",
    "warms_up": "Follows a counter whose effect comes late",
    "odd_names": "Names of terms that no log can take",
    "logs_accuracy": "A term without a gradient",
    "classes_of_batch": "A softmax over the classes that the batch has",
    "needlessly_relational": "Says that it compares samples, and compares none",
    "relational_sums": "Says that it compares samples, and is a sum over them",
    "drops_out": "A dropout in a head",
    "flipped_sign": "The generator minimises what it should maximise",
    "undescribed_option": "An option without a description",
    "open_options": "Accepts options that it does not know",
    "growing_option": "An option that changes whenever it is read",
}

CONFIGS = {
    "faulty_choice": ChoiceConfig,
    "undescribed_option": UndescribedConfig,
    "open_options": OpenConfig,
    "growing_option": GrowingConfig,
}

CONDITIONING = {"secretly_conditional": lambda config: "any"}


def builder(name):
    def build(config, context):
        from . import loss

        return loss.LOSSES.get(name, loss.Sound)(config, context)

    return build


def formula(config):
    from . import reference

    return reference


@hookimpl
def cganzoo_losses():
    for name, summary in FAULTS.items():
        yield LossSpec(
            name=name,
            summary=summary,
            config=CONFIGS.get(name, SoundConfig),
            build=builder(name),
            conditioning=CONDITIONING.get(name, lambda config: "conditional"),
            reference=formula if name in ("sound", "other_formula") else None,
        )
