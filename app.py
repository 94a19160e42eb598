"""The product for a WSGI server started in a checkout."""

from productfruits import create_app

app = create_app()
