"""Settings of the billing service."""

from pydantic import Field

from libs.runtime.settings import Settings


class BillingSettings(Settings):
    """Prices, and how long credits are held."""

    credit_prices: dict[str, int] = Field(
        default_factory=dict,
        description='Credits for one answer by model, over the table in prices.py: {"gpt-5.2": 4}',
    )
    credit_price_default: int = Field(
        5, ge=0, description="Credits for one answer of a model that no table names"
    )
    credits_low: int = Field(
        100, ge=0, description="Available credits below which an account's owner is told; 0: never"
    )
    hold_ttl: float = Field(
        900.0, gt=0, description="Seconds after which an answer that never came is failed and freed"
    )
    hold_sweep_interval: float = Field(
        30.0, gt=0, description="Seconds between two searches for holds past HOLD_TTL"
    )
