"""No models. Only of an application that has this module does Django tell that it was migrated, see :mod:`.apps`."""
