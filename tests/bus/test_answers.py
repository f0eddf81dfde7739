"""What a caller gets when its call can't be answered."""

import pytest

from libs.bus.bus import Bus
from libs.bus.calls import serve_call
from libs.bus.errors import FaultError, ServiceUnavailable
from libs.contracts.billing import GET_BALANCE, Balance, GetBalance
from libs.runtime.outages import MongoUnavailable


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MongoUnavailable("away"), "unavailable"),
        (ServiceUnavailable("nats"), "unavailable"),
        (FaultError("conflict", "no"), "conflict"),
        (ValueError("a bug"), "internal"),
    ],
)
async def test_a_handler_that_raises(bus: Bus, error: Exception, code: str) -> None:
    """A server that is away is no bug: the caller may try again."""

    async def handler(_: GetBalance) -> Balance:
        raise error

    serve_call(bus, GET_BALANCE, handler)
    await bus.start()
    with pytest.raises(FaultError) as raised:
        await bus.call(GET_BALANCE, GetBalance(account_id="acc_1"))
    assert raised.value.fault.code == code
