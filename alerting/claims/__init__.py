"""Checks sentences about an incident against its alerts; what does not check is not shown.

A sentence is kept only if it cites alerts by their ids (`[A1]`), each of its words is one of
theirs or one of a closed list, each number is theirs in the role that the sentence gives it
(score, limit, value, spread, duration, count), and each word that says something of them (above,
open, critical, first, cause, all) is true of them. So text that a language model wrote can neither
invent nor ask for anything: an unlisted word strikes its sentence.
"""

from padit.alerting.claims.evidence import Evidence, evidence_of, facts_of
from padit.alerting.claims.sentence import Checked, check, sentences_of
from padit.alerting.claims.words import ALLOWED_WORDS

__all__ = [
    "ALLOWED_WORDS",
    "Checked",
    "Evidence",
    "check",
    "evidence_of",
    "facts_of",
    "sentences_of",
]
