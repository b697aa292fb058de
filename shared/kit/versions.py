"""stub until merged."""


def wrong_versions() -> dict:
    return {}
