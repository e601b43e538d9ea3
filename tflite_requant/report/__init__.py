"""`outcome.Report` as text and as JSON. Renders only: nothing is measured or decided here."""
