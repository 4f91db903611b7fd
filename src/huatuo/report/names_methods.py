"""How an interval was made, as patterns of the words in a figure, and the same in Chinese."""

from __future__ import annotations

METHODS = (
    (r"^paired,? ", "配对，"),
    (r"(?:percentile )?bootstrap over ([\d x]+) clusters, (\d+) resamples", r"对 \1 组自助抽样 \2 次"),
    (r"all alike, Wilson over (\d+) clusters", r"全部相同，\1 组的 Wilson 区间"),
    (r"one cluster, Wilson of one", "只有一组，按一次的 Wilson 区间"),
    (r"one cluster, no interval", "只有一组，没有区间"),
    (r"^expected value$", "期望值"),
    (r"^share of the questions$", "占题目的份额"),
    (r"^count$", "计数"),
    (r"^no data$", "没有数据"),
)
