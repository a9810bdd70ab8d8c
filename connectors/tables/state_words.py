"""Words that are states: pairs of which the first is 1, and others that `states=` may name."""

__all__ = ["BOOLEANS", "STATES"]

STATES = frozenset(
    (
        "ok", "good", "bad", "normal", "warn", "warning", "error", "err", "fail", "failed",
        "fault", "alarm", "alert", "critical", "crit", "info", "debug", "fatal", "unknown",
        "pass", "passed", "running", "run", "stopped", "stop", "idle", "active", "inactive",
        "standby", "ready", "busy", "open", "closed", "opened", "close", "on", "off", "up",
        "down", "yes", "no", "true", "false", "enabled", "disabled", "high", "low", "medium",
        "mid", "degraded", "healthy", "unhealthy", "online", "offline", "connected",
        "disconnected", "success", "successful", "starting", "auto", "manual", "an", "aus",
        "ja", "nein", "warnung", "fehler", "gut", "schlecht", "stopp",
    )
)  # fmt: skip
BOOLEANS = (
    ("true", "false"), ("on", "off"), ("up", "down"), ("yes", "no"), ("wahr", "falsch"),
    ("ja", "nein"), ("ein", "aus"), ("an", "aus"), ("vrai", "faux"), ("oui", "non"),
    ("verdadero", "falso"), ("vero", "falso"), ("sí", "no"), ("да", "нет"), ("是", "否"),
)  # fmt: skip
