"""Days that look wrong, alerts that say why, and the bench that proves them."""
