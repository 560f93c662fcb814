"""Multiply-adds of a sum of products in Einstein's notation."""

from stamp_tf.channels.leaf_calls import Shape, num_numbers


def einsum_products(equation: str, shapes: list[Shape]) -> int | None:
    """Return the multiply-adds of a product of two tensors, or None for more than two.

    Every combination of indices is one, but for an index that one tensor alone has and that is summed over: it goes
    before the product.

    Args:
        equation: Such as `abc,cd->abd`, with or without dots and arrow.
        shapes: Of the tensors.
    """
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) > 2:
        return None
    if len(terms) < 2:
        return 0
    sizes: dict[str, int] = {}
    labels = []
    for term, shape in zip(terms, shapes, strict=True):
        before, dots, behind = term.partition("...")
        rest = len(shape) - len(before) - len(behind)
        # Dots stand for axes that are counted from the right.
        hidden = [f".{rest - place}" for place in range(rest)] if dots else []
        names = [*before, *hidden, *behind]
        labels.append(set(names))
        for name, size in zip(names, shape, strict=True):
            sizes[name] = max(sizes.get(name, 1), size or 1)
    if arrow:
        stay = {*output.replace("...", ""), *(name for name in sizes if name.startswith("."))}
    else:
        stay = {name for name in sizes if name.startswith(".") or inputs.count(name) == 1}
    both = labels[0] & labels[1]
    return num_numbers(tuple(size for name, size in sizes.items() if name in stay or name in both))
