"""Can messages be stored now? Asked by load balancers every few seconds, so it is one cheap query."""

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from productfruits.workers.runtime import Runtime


def problems(runtime: Runtime) -> list[str]:
    """What keeps messages from being stored, in words; [] when nothing does."""
    found = []
    if not runtime.writer.is_well:
        found.append("The writer is not running.")
    if not runtime.writer.is_storing:
        found.append("The store did not take the last messages.")
    try:
        with runtime.reading() as session:
            session.execute(text("SELECT 1 FROM workspace LIMIT 1"))
    except SQLAlchemyError as err:
        found.append(f"The store does not answer ({type(err).__name__}).")
    return found
