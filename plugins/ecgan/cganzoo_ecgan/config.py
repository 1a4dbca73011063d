"""Options of ECGAN."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from cganzoo import AdversarialRule, Config, Scalar, at_least

Weight = Annotated[Scalar, at_least(0)]

TERMS = {"U": ("alpha", 1.0), "C": ("lambda_clf", 0.05), "E": ("lambda_c", 1.0)}
"""Letter of a variant's name: its weight, and the value of this weight in the authors' ImageNet configuration."""


class ECGANConfig(Config):
    """Options of the loss ``ecgan``. The variant sets the weights that are not given. Its default is ECGAN-UC."""

    variant: Literal["0", "U", "C", "E", "UC", "UE", "CE", "UCE"] | None = Field(
        None, description="A variant of the paper: U unconditional, C classifier, E entropy; 0: none of these terms."
    )
    alpha: Weight = Field(1.0, description="Weight of the unconditional terms (U).")
    lambda_clf: Weight = Field(0.05, description="Weight of the classifier on real samples (C).")
    lambda_c: Weight = Field(0.0, description="Weight of the contrastive terms, which replace the entropy (E).")
    temperature: Annotated[Scalar, at_least(0, exclusive=True)] = Field(
        1.0, description="Divisor of the cosines in the contrastive terms."
    )
    embedding_dim: int = Field(512, ge=1, description="Length of the embeddings of the contrastive terms.")
    adversarial: AdversarialRule = Field("hinge", description="Loss of the scores; the paper uses hinge.")
    combine: Literal["losses", "logits"] = Field(
        "losses",
        description="Add the conditional and the unconditional loss, as in the paper, or add the two scores inside one "
        "loss, as in the released code.",
    )

    @model_validator(mode="before")
    @classmethod
    def _weights_of_variant(cls, values: Any) -> Any:
        variant = values.get("variant") if isinstance(values, dict) else None
        if not isinstance(variant, str):
            return values
        return {name: weight if letter in variant else 0.0 for letter, (name, weight) in TERMS.items()} | values

    @model_validator(mode="after")
    def _variant_is_true(self) -> ECGANConfig:
        if self.variant is not None:
            letters = "".join(letter for letter, (name, _) in TERMS.items() if getattr(self, name) != 0) or "0"
            if letters != self.variant:
                raise ValueError(
                    f'variant "{self.variant}" contradicts alpha, lambda_clf and lambda_c, which make it "{letters}": '
                    f'write variant = "{letters}" or leave the variant out'
                )
        return self
