"""Checks of the options and of the data of displays."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import copy
import functools
import inspect
import numbers
import reprlib
import warnings
from collections import ChainMap
from collections.abc import Hashable, Mapping

import numpy as np

from celltyping._utils._labels import as_array, is_missing
from celltyping._utils._messages import list_names
from celltyping._utils._optional import import_optional
from celltyping._utils._restore import restore_on_error
from celltyping._utils._validation import LARGEST, is_integer

# Maximum number of characters of a title or heading: some three lines.
LONGEST_TEXT = 200

# Maximum sizes of letters, lines and markers in points, and area of a point in square
# points: larger than a page, and matplotlib takes minutes or all memory to draw them.
LARGEST_SIZE, LARGEST_AREA = 1000, 10_000

# Maximum number of pixels of a figure: 1 GiB of memory.
MOST_PIXELS = 2**28

# Properties by which matplotlib would draw elsewhere than where the labels are.
MISPLACING = {"data", "extent", "transform"}


def short(value):
    """Return the representation of a value in one line, shortened if it is long."""
    brief = reprlib.Repr()
    brief.maxother = brief.maxstring = brief.maxlong = 80
    return " ".join(brief.repr(value).split())


# A rule is a test of a value, and words for what passes it.


def optional(rule):
    """Return a rule that also allows None."""
    test, allowed = rule
    return lambda value: value is None or test(value), f"{allowed}, or None"


def integer(least):
    """Return the rule of an integer of at least `least` (and below LARGEST)."""
    allowed = f"an integer of at least {least}"
    return lambda value: is_integer(value) and least <= value <= LARGEST, allowed


def number(test, allowed):
    """Return the rule of a number, not a boolean, that passes a test."""

    def passes(value):
        is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        return is_number and test(value)

    return passes, f"a number {allowed}"


def one_of(*allowed):
    """Return the rule of one of several strings."""
    words = f"one of {', '.join(map(repr, allowed))}"
    return lambda value: isinstance(value, str) and value in allowed, words


def axes(*names):
    """Return the rule of axes on which a display can draw, by names of projections."""

    def is_drawable(value):
        from matplotlib.axes import Axes

        if not isinstance(value, Axes) or value.name not in names or not value.figure:
            return False
        n_pixels = value.figure.figure.bbox.size.prod()
        return n_pixels <= MOST_PIXELS and value.bbox.size.min() >= 1

    kinds, limit = " or ".join(names), f"{MOST_PIXELS:,} pixels"
    example = "such as plt.subplots(figsize=(8, 6))[1]"
    return is_drawable, f"{kinds} axes in a figure of up to {limit}, {example}"


def is_colormap(value):
    """Return whether a value is a colour map of matplotlib, or the name of one."""
    from matplotlib import colormaps
    from matplotlib.colors import Colormap

    is_name = isinstance(value, str) and value in colormaps
    return is_name or isinstance(value, Colormap)


def is_type_colormap(value):
    """Return whether a value is a colour map, or a dict of colours."""
    if not isinstance(value, Mapping):
        return is_colormap(value)
    from matplotlib.colors import is_color_like

    for name, color in value.items():
        if not is_color_like(color):
            raise ValueError(
                "cmap must hold a colour that matplotlib knows for each type, got "
                f"{short(color)} for {name!r}"
            )
    return True


def is_text(value):
    """Return whether a value is text that matplotlib can write, formulas included."""
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        return False
    from matplotlib.cbook import is_math_text
    from matplotlib.mathtext import MathTextParser

    try:
        value.encode()  # refuses halves of surrogate pairs
        if is_math_text(value):
            MathTextParser("path").parse(value)
    except ValueError:
        return False
    return True


def are_properties(value, largest=LARGEST_SIZE):
    """Return whether a value is a dict of properties of an artist, none too large."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        return False
    limits = dict.fromkeys(("c", "vmax", "vmin"), LARGEST)  # values, not sizes
    limits |= {"s": LARGEST_AREA, "sizes": LARGEST_AREA}
    for key, given in value.items():
        for one in np.array([given], dtype=object).ravel():
            is_number = isinstance(one, numbers.Real)
            if is_number and not abs(one) <= limits.get(key, largest):
                return False
    return MISPLACING.isdisjoint(value)


FLAG = lambda value: isinstance(value, (bool, np.bool_)), "True or False"
SHARE = number(lambda x: 0 <= x <= 1, "from 0 to 1")
TEXT = is_text, f"text of at most {LONGEST_TEXT} characters, formulas without errors"
COLORMAP = is_colormap, "a matplotlib Colormap, or the name of one such as 'viridis'"
PROPERTIES = (
    are_properties,
    f"a dict of properties of the artist, with sizes up to {LARGEST_SIZE:,}, without "
    f"{', '.join(sorted(MISPLACING))}",
)

# Rules of options by name; a display may have others in `_rules`.
RULES = {
    "alpha": optional(SHARE),
    "ax": optional(axes("rectilinear")),
    "cmap": optional(
        (is_type_colormap, f"{COLORMAP[1]}, or a dict of a colour for each type")
    ),
    "chosen": optional(integer(1)),
    "errors": one_of("std", "sem"),
    "im_kw": optional((lambda value: are_properties(value, LARGEST), PROPERTIES[1])),
    "kind": one_of("auto", "category", "value"),
    "max_names": integer(0),
    "min_share": SHARE,
    "order": one_of("similarity", "size", "name"),
    "point_size": optional(
        number(lambda x: 0 < x <= LARGEST_AREA, f"above 0, at most {LARGEST_AREA:,}")
    ),
    "predicted_type": (lambda x: isinstance(x, Hashable) and x is not None, "a type"),
    "scale": one_of("log", "linear"),
}
RULES |= dict.fromkeys(
    ("max_clusters", "max_legend", "max_partners", "max_types"), integer(1)
)
RULES |= dict.fromkeys(("colorbar", "include_values", "label_types", "legend"), FLAG)
RULES |= dict.fromkeys(("color_name", "name"), optional(TEXT))
RULES |= dict.fromkeys(("end_name", "start_name"), TEXT)
RULES |= dict.fromkeys(("bar_kw", "line_kw", "point_kw"), optional(PROPERTIES))
RULES |= dict.fromkeys(("ribbon_kw", "text_kw"), optional(PROPERTIES))


def check_options(*targets, without=()):
    """Decorate a method of a display: check its options before it runs.

    `targets` are the methods to which it passes other options, all but `without`. After
    an error, the display is as it was, and no new figure is left in pyplot.
    """

    def decorate(method):
        @functools.wraps(method)
        def checked(display, *args, **options):
            cls = display if isinstance(display, type) else type(display)
            caller = f"{cls.__name__}.{method.__name__}"
            import_optional("matplotlib", extra="plot", needed_by=caller)
            methods = [method, *(getattr(cls, target) for target in targets)]
            known = [name for one in methods for name in _names(one, "KEYWORD_ONLY")]
            known = [name for name in dict.fromkeys(known) if name not in without]
            data = _names(method, "POSITIONAL_OR_KEYWORD")
            _check_names(caller, set(options).difference(known, data), known)
            given = {name: options[name] for name in known if name in options}
            if cls is display:
                _check_values(cls, given)
                return method(cls, *args, **options)
            _check_values(cls, vars(display) | given)
            _try_properties(method, display, options)
            return _draw(method, display, *args, **options)

        return checked

    return decorate


def _names(method, kind):
    """Return the names of the parameters of one kind."""
    parameters = inspect.signature(method).parameters.values()
    return [one.name for one in parameters if one.kind.name == kind]


def _check_names(caller, unknown, known):
    """Refuse options that are not known."""
    if unknown:
        size = ""
        if "figsize" in unknown and "ax" in known:
            size = "; for a figure of another size, pass ax"
        raise TypeError(
            f"{caller} got unexpected keyword arguments {list_names(sorted(unknown))}; "
            f"allowed are {', '.join(known)}{size}"
        )


def _check_values(cls, values):
    """Refuse values, a dict by name, that break a rule of the class or of all."""
    rules = ChainMap(*(vars(one).get("_rules", {}) for one in cls.__mro__), RULES)
    for name in values.keys() & rules.keys():
        test, allowed = rules[name]
        if not test(values[name]):
            raise ValueError(f"{name} must be {allowed}, got {short(values[name])}")


def _try_properties(method, display, options):
    """Refuse properties of artists that matplotlib refuses: draw for nothing with each.

    Lengths and combinations can only be checked together with the data.
    """
    from matplotlib.figure import Figure

    others = {key: one for key, one in options.items() if not key.endswith("_kw")}
    for name in [key for key in options.keys() - others.keys() if options[key]]:
        tried = others | {"ax": Figure().subplots(), name: options[name]}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                # Of a font, or of the size of this figure.
                warnings.filterwarnings("ignore", "Glyph|.*layout")
                method(copy.copy(display), **tried)
                tried["ax"].figure.draw_without_rendering()
        except Exception as exc:
            raise ValueError(
                f"{name} must hold properties that matplotlib can draw, got "
                f"{short(options[name])}: {exc}"
            ) from exc


def _draw(method, display, *args, **options):
    """Call a method that draws; after an error, close the figures that it made."""
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    try:
        return restore_on_error(method)(display, *args, **options)
    except BaseException:
        for figure in set(pyplot.get_fignums()).difference(before):
            pyplot.close(figure)
        raise


def to_array(values):
    """Return an array, or None for lists of different lengths."""
    try:
        return as_array(values)
    except ValueError:
        return None


def check_vectors(vectors, samples=None):
    """Check that arrays are one-dimensional, with one entry for each sample.

    Parameters
    ----------
    vectors : dict of {str: array-like}
        Arrays by the name of their parameter; a single column is allowed.
    samples : tuple (str, int), default=None
        Noun and number of the samples. None: those of the first array.

    Returns
    -------
    vectors : list of ndarray of shape (n_samples,)
        The arrays.
    """
    arrays = []
    for name, given in vectors.items():
        array = to_array(given)
        if array is not None and array.ndim == 2 and array.shape[1] == 1:
            array = array.ravel()
        if (
            array is None
            or array.ndim != 1
            or array.size == 0
            or array.dtype == complex
        ):
            raise ValueError(
                f"{name} must be a list of names or numbers that is not empty, got "
                f"{short(given)}"
            )
        thing, number = samples = samples or (f"entries of {name}", array.size)
        if array.size != number:
            raise ValueError(
                f"{name} must hold one entry for each of the {number:,} {thing}, got "
                f"{array.size:,}"
            )
        arrays.append(array)
    return arrays


def check_table(name, X):
    """Return a table as an array of two dimensions that are not empty."""
    table = to_array(X)
    if table is None or table.ndim != 2 or table.size == 0:
        raise ValueError(f"{name} must be a table of rows and columns, got {short(X)}")
    return table


def as_floats(values, name, purpose):
    """Convert an array of numbers to float64, missing entries to NaN."""
    known, floats = ~is_missing(values), np.full(values.shape, np.nan)
    try:
        if values.dtype.kind not in "biufOUS":
            raise TypeError(f"got {values.dtype}")
        with np.errstate(over="ignore"):
            floats[known] = values[known].astype(float)
    except (OverflowError, TypeError, ValueError) as exc:
        raise ValueError(
            f"{name} must hold numbers to be drawn {purpose}: {exc}"
        ) from exc
    if (np.abs(floats) > LARGEST).any():
        raise ValueError(
            f"{name} holds infinity or values too large to be drawn, above "
            f"{LARGEST:g}: values must be finite numbers or NaN"
        )
    return floats
