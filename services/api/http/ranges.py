"""What numbers and dates may be, so that none is valid here and overflows further on."""

from datetime import date

from services.api.http.errors import InvalidRequest

LARGEST = 2**31 - 1
"""Of an integer without a bound of its own."""
YEARS = range(2000, 2101)


def check_moment(moment: date | None, param: str) -> None:
    """Raise InvalidRequest for a date, or a time, too far away to reckon with."""
    if moment is not None and moment.year not in YEARS:
        raise InvalidRequest(
            f"{param} must be in the years {YEARS[0]} to {YEARS[-1]}.", param=param
        )
