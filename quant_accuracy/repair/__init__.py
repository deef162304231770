"""What brings a red card back. Each remedy makes of a card another card, so that what is measured is what is deployed.

    search              the stages, from cheap to dear, until one passes
    tries               everything that was tried: measured, told, proved on all images
    attempts            a candidate, measured on some shards
    goal                what the gates ask of a repair, and what no repair can meet
    split               which shards a search may see, and which are held back
    plan                what a search may do, and how it ends
    answer              what to do, in one sentence, and what it rests on
    card_file           a repair as a card: its base, and only what changed

    settings            remedies in settings: scheme, calibration, finer and symmetric grids, more bits
    weights             remedies in weights: from a card to one that quantizes another checkpoint
    bits                more bits, for all and then for the fewest
    equalization/       ranges of neighbouring layers evened out, the float function kept
    bias_correction/    biases that take back what quantized weights shift, measured or computed
    adaround/           weights rounded for the output of their layer, not each to its nearest
    mixed_precision     the smallest set of quantizers with more bits that meets a goal
    cost                bits of weights and activations, and bit operations
"""

from quant_accuracy.base import before_tensorflow

before_tensorflow.set_up()
