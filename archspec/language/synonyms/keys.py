"""Keys of a spec and of a recipe, and the values of some, by the words of others."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from archspec.language.synonyms.meaning import Meaning, each

PHASES = "`lr` is a number or a list of phases: `lr: [{cosine: {from: 0.1, to: 0}}]`"


def _merged(*parts: Mapping[str, tuple[tuple[str, str], ...]]) -> dict[str, tuple[tuple[str, str], ...]]:
    merged: dict[str, tuple[tuple[str, str], ...]] = {}
    for part in parts:
        for word, helps in part.items():
            merged[word] = merged.get(word, ()) + helps
    return merged


_KEYS = _merged(
    each(
        "learning_rate lr0 base_lr initial_lr max_lr",
        (
            ("optimizer", "did you mean `lr`?"),
            ("momentum", "the rate is `train.lr`, beside the optimizer"),
            ("beta1", "the rate is `train.lr`, beside the optimizer"),
        ),
    ),
    {
        "lr": (
            ("momentum", "the rate is `train.lr`, beside the optimizer"),
            ("beta1", "the rate is `train.lr`, beside the optimizer"),
            ("stem", "write it in the recipe: `train: {lr: 0.1}`"),
        )
    },
    each("scheduler lr_scheduler lr_schedule schedule lrf cos_lr", (("optimizer", PHASES),)),
    each(
        "warmup warmup_epochs warmup_steps warmup_lr",
        (
            (
                "optimizer",
                "a warm-up is the first phase: `lr: [{linear: {from: 0, to: 0.1}, until: epoch 5}, {value: 0.1}]`",
            ),
        ),
    ),
    each("min_lr eta_min gamma milestones step_size lr_decay decay_epochs", (("optimizer", PHASES),)),
    each(
        "weight_decay wd l2",
        (
            ("optimizer", "it is the optimizer's: `optimizer: {sgd: {weight_decay: 1e-4}}`"),
            ("momentum", "did you mean `weight_decay`?"),
            ("beta1", "did you mean `weight_decay`?"),
        ),
    ),
    each(
        "momentum nesterov",
        (("optimizer", "it is the optimizer's: `optimizer: {sgd: {momentum: 0.9, nesterov: true}}`"),),
    ),
    {
        "betas": (
            ("beta1", "write `beta1: 0.9, beta2: 0.999`"),
            ("optimizer", "they are the optimizer's: `optimizer: {adamw: {beta1: 0.9, beta2: 0.999}}`"),
        )
    },
    {"epsilon": (("beta1", "did you mean `eps`?"),)},
    each("opt optim", (("optimizer", "did you mean `optimizer`?"),)),
    each("batch bs batchsize batch-size batches train_batch_size", (("batch_size", "did you mean `batch_size`?"),)),
    each(
        "max_epochs num_epochs n_epochs max_steps iterations num_steps max_iter",
        (("epochs", "the length is `epochs` or `steps`"),),
    ),
    each(
        (
            "epochs steps batch_size optimizer loss seed precision ema recipe label_smoothing learning_rate "
            "scheduler augment augmentation dataset data weight_decay momentum"
        ),
        (("stem", "it belongs into the recipe: `train: {...}`"),),
    ),
    each(
        "dataset normalize augment mix mixup cutmix eval_resize holdout size img_size imgsz",
        (
            (
                "optimizer",
                "it belongs into `data`, as in `data: {dataset: cifar10, augment: [hflip], mix: {mixup: 0.2}}`",
            ),
        ),
    ),
    each(
        "transforms transform augmentation augmentations aug",
        (("augment", "did you mean `augment`?"), ("optimizer", "write `data: {augment: [{pad_crop: 4}, hflip]}`")),
    ),
    each("criterion loss_fn loss_function objective", (("loss", "did you mean `loss`?"),)),
    each(
        "amp mixed_precision fp16 bf16 half use_amp",
        (("precision", "write `precision: bf16` or `precision: fp16`"),),
    ),
    each("smoothing", (("label_smoothing", "did you mean `label_smoothing`?"),)),
    each(
        "clip_grad grad_clip gradient_clipping max_grad_norm clip_grad_norm",
        (("clip_norm", "did you mean `clip_norm`?"),),
    ),
    each(
        "accumulate_grad_batches gradient_accumulation_steps grad_accum",
        (("accumulate", "did you mean `accumulate`?"),),
    ),
    each("model_ema ema_decay", (("ema", "did you mean `ema`?"),)),
    each("num_classes nc n_classes num_labels", (("classes", "did you mean `classes`?"),)),
    {"names": (("classes", "`classes` is how many there are; their names are those of the data's folders"),)},
    each(
        "backbone layers model features neck blocks_args architecture net",
        (("stem", "a net is its `stem`, its `stages` and its `head`"),),
    ),
    each("output aux auxiliary", (("stem", "name them: `outputs: {out: fc, aux: aux_classifier}`"),)),
    each(
        "inputs input_shape image_size img_size imgsz input_size",
        (("stem", "write `input: {channels: 3, size: 224}`"),),
    ),
    each("height width resolution shape", (("channels", "write `size: 224`, or `size: [height, width]`"),)),
    each(
        "ch in_chans in_channels",
        (("stem", "write `input: {channels: 3, size: 224}`"), ("size", "did you mean `channels`?")),
    ),
    each("activation act_layer nonlinearity", (("act", "did you mean `act`?"),)),
    each("normalization norm_layer", (("act", "did you mean `norm`?"),)),
    each("base inherit inherits parent _base_", (("extends", "did you mean `extends`?"),)),
    each("variables params parameters vars", (("args", "did you mean `args`?"),)),
    each(
        "depth_multiple width_multiple scales",
        (("args", "write `args: {width: 64}` and use `width` in expressions"),),
    ),
    each("steps layers modules", (("join", "did you mean `body`?"),)),
)
"""Keys by the words of others. Each help is given where its first word is a key that could stand there."""

_INSIDE: dict[tuple[str, str], str] = {
    ("random_crop", "padding"): "write `pad_crop: 4` in place of `random_crop`",
    ("random_crop", "size"): "take it out: it crops the training size, which is `train.data.size` or the input's",
    ("hflip", "p"): "take it out: it mirrors with probability one half",
    (
        "random_resized_crop",
        "size",
    ): "take it out: it crops the training size, which is `train.data.size` or the input's",
}
"""Keys of something that has none, or none like it."""


def key(word: str, around: str, known: Collection[str]) -> Meaning | None:
    """What a key means elsewhere, in something called `around` whose keys are `known`."""
    inside = _INSIDE.get((around, word))
    if inside is not None:
        return Meaning(inside)
    for beside, help_ in _KEYS.get(word.lower(), ()):
        if beside in known and word not in known:
            named = help_.removeprefix("did you mean `").removesuffix("`?")
            return Meaning(help_, named if named in known else None)
    return None


_VALUES: dict[str, dict[str, str]] = {
    "lr": each("cosine linear step poly exponential plateau onecycle constant multistep", PHASES),
    "optimizer": {
        **each("adam Adam", "write `{adamw: {weight_decay: 0}}`, which is Adam"),
        "rmsprop": "there are `sgd`, `adamw` and `lamb`",
        "lion": "there are `sgd`, `adamw` and `lamb`",
        **each("SGD momentum", "write `{sgd: {momentum: 0.9}}`"),
    },
    "loss": {
        **each(
            "CrossEntropyLoss ce softmax categorical_crossentropy sparse_categorical_crossentropy nll",
            "did you mean `cross_entropy`?",
        ),
        **each("BCEWithLogitsLoss binary_crossentropy sigmoid", "did you mean `bce`?"),
    },
    "precision": {
        **each("mixed 16 half float16 amp", "write `fp16`, or `bf16`"),
        **each("bfloat16", "did you mean `bf16`?"),
        **each("float32 32 full single", "did you mean `fp32`?"),
    },
}


def value(key: str, word: str) -> str | None:
    """What a word means elsewhere as the value of a key: the form to write."""
    return _VALUES.get(key, {}).get(word)
