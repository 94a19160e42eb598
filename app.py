"""The WSGI object of a checkout, for `flask run` and WSGI servers. An installed package has productfruits.wsgi."""

from productfruits import create_app

app = create_app()
