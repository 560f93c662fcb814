"""Numbers as people read them: short counts, shares, factors and durations."""

_STEPS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def compact(count: float) -> str:
    """Return a count with three significant digits and a letter: 398136320 is '398 M'."""
    for factor, letter in _STEPS:
        # From 999.5 on, three digits would round up to a thousand of the smaller unit.
        if abs(count) >= 0.9995 * factor:
            return f"{_three_digits(count / factor)} {letter}"
    return f"{count:.0f}"


def percent(share: float) -> str:
    """Return a share in [0, 1] as per cent: one decimal, two below one per cent."""
    value = 100 * share
    decimals = 0 if value in (0, 100) else 1 if value >= 1 else 2
    return f"{value:.{decimals}f} %"


def share(part: float) -> str:
    """Return a share in [0, 1] with two decimals; 1.00 is said of the whole alone."""
    return f"{part if part == 1 else min(part, 0.99):.2f}"


def points(difference: float) -> str:
    """Return a difference of two shares in percentage points, with its sign."""
    return f"{round(100 * difference, 1) + 0.0:+.1f}"


def factor(ratio: float) -> str:
    """Return a ratio as people say it: '3.2' and a multiplication sign."""
    return f"{ratio:.1f} \N{MULTIPLICATION SIGN}"


def duration(seconds: float) -> str:
    """Return seconds in the unit people would say."""
    if seconds < 0.9995e-3:
        return f"{_three_digits(1e6 * seconds)} µs"
    if seconds < 0.9995:
        return f"{_three_digits(1e3 * seconds)} ms"
    if seconds < 120:
        return f"{_three_digits(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def _three_digits(value: float) -> str:
    decimals = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    return f"{value:.{decimals}f}"
