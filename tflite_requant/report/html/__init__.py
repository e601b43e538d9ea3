"""A report as one HTML page that needs nothing but itself. Needs jinja2 and matplotlib."""
