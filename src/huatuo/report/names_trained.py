"""Chinese labels of what looks wrong with a training run (`huatuo.train.notes`)."""

from __future__ import annotations

RULES = {
    "flat_loss": "损失没有下降",
    "validation_worse": "验证损失比训练前高",
    "validation_turned": "验证损失先降后升",
    "few_learned": "所学词元过少",
    "all_learned": "连问题也学了",
    "twins": "训练样本相同",
    "trained_question": "验证的问题训练过",
    "clipped": "几乎每步都裁剪梯度",
    "exploded": "梯度突然变大",
    "one_source": "几乎只学一个来源",
}
