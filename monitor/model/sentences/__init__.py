"""What each reason says to people, by its code; reached by ``monitor.model.words``."""
