"""What people say of alerts."""

NEW, SEEN, CONFIRMED, DISMISSED = "new", "seen", "confirmed", "dismissed"
STATES = (NEW, SEEN, CONFIRMED, DISMISSED)

ALERT_DB = "sqlite:///alerts.db"
"""The alert database where nothing else is named."""

URL_VARIABLE = "ALERT_DB_URL"
"""Of the environment: the URL of the alert database where it has a password; it overrules the parameter."""
