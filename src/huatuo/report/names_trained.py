"""Chinese words for what looks wrong with a training run (`huatuo.train.notes`): its rules, and what they found."""

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
    "best_damaged": "最好的权重已损坏",
}

PLACES = (
    (r"([\d,]+) steps", r"\1 步"),
    (r"step ([\d,]+)", r"第 \1 步"),
    (r"held-out pairs", "留作验证的问答对"),
    (r"training pairs", "训练问答对"),
    (r"answers", "回答"),
    (r"questions", "问题"),
    (r"best weights", "最好的权重"),
)
"""Where it was found, as patterns, and the same in Chinese."""

NOTES = (
    (
        r"loss (\S+) over the first (\d+) steps and (\S+) over the last (\d+): no fall that could be told from the "
        r"scatter between steps \((\S+)\); next: look at train.learning_rate, and at what is learned \((.+)\)",
        r"前 \2 步的损失为 \1，后 \4 步为 \3：降幅与各步之间的起伏（\5）分不开；下一步：检查 train.learning_rate，"
        r"以及学了什么（\6）",
    ),
    (
        r"validation loss (\S+) before training, (\S+) after it; expected a fall; next: lower train.learning_rate, "
        r'or set train.evaluate_every and train.keep = "best"',
        r"训练前的验证损失为 \1，训练后为 \2，本应下降；下一步：调低 train.learning_rate，或设置"
        r' train.evaluate_every 和 train.keep = "best"',
    ),
    (
        r"validation loss (\S+) after step (\S+) and (\S+) at the end: what was learned after it fits the training "
        r'pairs alone; next: set train.keep = "best", or fewer train.epochs',
        r'第 \2 步后的验证损失为 \1，结束时为 \3：此后所学只合训练问答对；下一步：设置 train.keep = "best"，或减少'
        r" train.epochs",
    ),
    (
        r"(\S+) of (\S+) tokens were learned \((\S+)\); expected at least (\S+): long questions, or answers that "
        r"are cut off; next: look at the pairs, and at the truncation of stage tokenise",
        r"\2 个词元中学了 \1 个（\3），本应至少 \4：问题过长，或回答被截短；下一步：查看问答对，以及 tokenise 一步"
        r"的截短",
    ),
    (
        r"(\S+) of (\S+) tokens were learned \((\S+)\); expected less than (\S+): questions are learned as if they "
        r"were answers; next: look at the pairs",
        r"\2 个词元中学了 \1 个（\3），本应少于 \4：问题也被当作回答来学；下一步：查看问答对",
    ),
    (
        r"(\S+) of (\S+) training samples repeat another one token by token, and are learned so many times more; "
        r"next: drop them before, or say so with train.copies",
        r"\2 个训练样本中有 \1 个与另一个逐词元相同，因而多学了这么多次；下一步：训练前去掉，或用 train.copies 明说",
    ),
    (
        r"(\S+) of (\S+) held-out samples ask what is asked before a trained answer too: their loss is no measure "
        r"of what was not seen; next: hold out by question \(unify.validation_pairs\), and look at files that were "
        r"split elsewhere",
        r"\2 个验证样本中有 \1 个的问题也训练过：其损失不能衡量没见过的；下一步：按问题留出（unify.validation_pairs"
        r"），并查看在别处切分的文件",
    ),
    (
        r"the gradient norm was above train.clip = (\S+) in (\S+) of (\S+) steps after the first tenth \(median "
        r"(\S+)\): the clip sets the length of every step; next: lower train.learning_rate, learn more samples a "
        r"step \(train.batch_samples\), or raise train.clip",
        r"除去开头的十分之一，\3 步中有 \2 步的梯度范数高于 train.clip = \1（中位数 \4）：每步的长度由裁剪决定；下"
        r"一步：调低 train.learning_rate，每步多学些样本（train.batch_samples），或调高 train.clip",
    ),
    (
        r"gradient norm (\S+) in step (\S+), (\S+) times the run's median; next: look at the pairs of that step, "
        r"lower train.learning_rate, or set train.clip = (\S+)",
        r"第 \2 步的梯度范数为 \1，是全程中位数的 \3 倍；下一步：查看这一步的问答对，调低 train.learning_rate，或设"
        r"置 train.clip = \4",
    ),
    (
        r"(\S+) of (\S+) samples learned are of (.+), though the order has (\d+) sources; next: look at "
        r"train.priority, train.copies and train.steps",
        r"所学的 \2 个样本中有 \1 个来自 \3，而训练顺序有 \4 个来源；下一步：检查 train.priority、train.copies 和"
        r" train.steps",
    ),
    (
        r"the weights of step (\S+), whose validation loss (\S+) was the lowest measured, were gone or damaged on "
        r"the disk; those of step (\S+) \(validation loss (\S+)\) are kept; next: check the disk, and train again "
        r"where it counts",
        r"第 \1 步的验证损失 \2 是测到的最低值，但它的权重在磁盘上已丢失或损坏；保留的是第 \3 步的权重（验证损失 \4"
        r"）；下一步：检查磁盘，必要时重新训练",
    ),
)
"""What was found, as patterns of the words of `huatuo.train.notes`, and the same in Chinese."""
