"""The product for any WSGI server: `gunicorn productfruits.wsgi:app`. Settings come from the environment."""

from productfruits import create_app

app = create_app()
