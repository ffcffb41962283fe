"""The checker of notes sees what is missing, what is wrong and what is misspelt."""

import pytest

from analysis.notes import Notes

TEXT = """
define double @f(double %x, double %k) {     ; big: %x
entry:                                       ; big
  %y = fmul double %x, %k                    ; size 3; big
  store double %y, ptr null                  ; size: 4
  ret double %y
}
"""
BIG = {"%x": "", "%entry": "", "%y": ""}
SIZE = {"%y": "3"}


def test_exact_notes_pass() -> None:
    notes = Notes(TEXT, "big", "size")
    notes.check("big", lambda subject: BIG.get(str(subject)))
    notes.check("size", lambda subject: "4" if getattr(subject, "opcode", "") == "store" else SIZE.get(str(subject)))
    assert list(notes.subjects.values()) == [
        "@f %x", "@f %k", "@f entry", "@f %y = fmul double %x, %k", "@f store double %y, ptr null", "@f ret double %y"]


@pytest.mark.parametrize("truth", [
    {**BIG, "%k": ""},
    {"%x": "", "%entry": ""},
    {**BIG, "%y": "very"},
], ids=["a note is missing", "a note too many", "a note is wrong"])
def test_inexact_notes_fail(truth: dict[str, str]) -> None:
    with pytest.raises(AssertionError):
        Notes(TEXT, "big", "size").check("big", lambda subject: truth.get(str(subject)))


@pytest.mark.parametrize("old, new", [
    ("; size 3; big", "; size 3; bigg"),
    ("; big: %x", "; big: %z"),
    ("; big: %x", "; big"),
    ("; size 3; big", "; size 3; big; size 4"),
    ("  ret double", "  ; big\n  ret double"),
], ids=["unknown kind", "unknown argument", "no argument", "said twice", "about nothing"])
def test_nonsense_is_refused(old: str, new: str) -> None:
    assert old in TEXT
    with pytest.raises(ValueError):
        Notes(TEXT.replace(old, new), "big", "size")
