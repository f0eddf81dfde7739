"""Settings of the webhooks service."""

from typing import Annotated, Any

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator
from pydantic_settings import NoDecode

from libs.runtime.settings import Settings

MINUTE = 60.0
HOUR = 60 * MINUTE


class WebhooksSettings(Settings):
    """Limits and times of webhook endpoints and their deliveries."""

    webhooks_allow_private: bool = Field(
        False,
        description="For development: also http, and private and loopback addresses, as targets",
    )
    webhook_retry_delays: Annotated[tuple[NonNegativeFloat, ...], NoDecode] = Field(
        (5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR),
        description="Seconds before the second, third, … attempt, comma separated; each is varied "
        "by up to a fifth. After the last one the delivery is given up",
    )
    webhook_retry_after_max: NonNegativeFloat = Field(
        10 * HOUR, description="Longest wait, in seconds, that a Retry-After header can ask for"
    )
    webhook_connect_timeout: PositiveFloat = Field(
        5.0, description="Seconds to look up the host and connect, for each of the two"
    )
    webhook_timeout: PositiveFloat = Field(
        15.0, description="Seconds that one attempt may take in all"
    )
    webhook_concurrency: PositiveInt = Field(500, description="Attempts at once in one process")
    webhook_endpoint_concurrency: PositiveInt = Field(
        10, description="Attempts at once to one endpoint in one process"
    )
    webhook_endpoint_waiting: PositiveInt = Field(
        200,
        description="Deliveries that one process lets wait for a busy endpoint; others go back to "
        "their queue for some seconds",
    )
    webhook_waiting: PositiveInt = Field(
        1500, description="Deliveries that one process lets wait for all busy endpoints together"
    )
    webhook_endpoints_per_agent: PositiveInt = Field(10, description="Endpoints of one agent")
    webhook_headers_max: PositiveInt = Field(10, description="Custom headers of one endpoint")
    webhook_headers_bytes: PositiveInt = Field(
        4096, description="Bytes of one endpoint's custom headers, names and values together"
    )
    webhook_cache_seconds: PositiveFloat = Field(
        5.0, description="Seconds that an agent's endpoints are remembered at most"
    )

    @field_validator("webhook_retry_delays", mode="before")
    @classmethod
    def _comma_separated(cls, value: Any) -> Any:
        return [part for part in value.split(",") if part] if isinstance(value, str) else value
