"""A small project whose tests fail for two files at once, and the reply that mends both."""

from __future__ import annotations

from pathlib import Path

CODE, RATE_FILE, TEST_FILE = "src/shop/prices.py", "src/shop/rates.py", "tests/test_prices.py"
RATES = "RATE = 7\n\n\ndef rate(kind):\n    return RATE if kind == 'full' else 0\n"
PRICES = """from shop.rates import rate


def price(value, kind):
    return value - rate(kind)


def label(value):
    return f"{value} EUR"
"""
TESTS = """from shop.prices import label, price


def test_full():
    assert price(2, "full") == 14


def test_reduced():
    assert price(2, "reduced") == 6


def test_label():
    assert label(3) == "3 EUR"
"""
# Both files are wrong: the operation, and the reduced rate.
PATCH = """The price is a product, and there is a reduced rate.

src/shop/prices.py
<<<<<<< SEARCH
    return value - rate(kind)
=======
    return value * rate(kind)
>>>>>>> REPLACE

src/shop/rates.py
<<<<<<< SEARCH
    return RATE if kind == 'full' else 0
=======
    return RATE if kind == 'full' else 3
>>>>>>> REPLACE
"""
FILES = {
    "pyproject.toml": "[tool.pytest.ini_options]\ntestpaths = ['tests']\n",
    "src/shop/__init__.py": "",
    RATE_FILE: RATES,
    CODE: PRICES,
    TEST_FILE: TESTS,
    ".env": "SECRET=a-secret-of-the-project\n",
}


def write_project(root: Path, more: dict[str, str] | None = None) -> None:
    """Writes the project's files, and `more` over them."""
    for name, text in {**FILES, **(more or {})}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
