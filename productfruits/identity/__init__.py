"""Who is who: which user a message belongs to. Pure rules over values, no database and no HTTP."""
