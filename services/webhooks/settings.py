"""Settings of the webhooks service."""

from ipaddress import IPv4Network, IPv6Network

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

from libs.runtime.settings import CommaSeparated, Settings

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class DeliverySettings(Settings):
    """When a delivery is tried, and for how long."""

    webhook_retry_delays: CommaSeparated[NonNegativeFloat] = Field(
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
    webhook_disable_after: PositiveFloat = Field(
        5 * DAY, description="Seconds without a success after which a failing endpoint is disabled"
    )


class EndpointSettings(Settings):
    """What an endpoint may be."""

    webhook_endpoints_per_agent: PositiveInt = Field(10, description="Endpoints of one agent")
    webhook_headers_max: PositiveInt = Field(10, description="Custom headers of one endpoint")
    webhook_headers_bytes: PositiveInt = Field(
        4096, description="Bytes of one endpoint's custom headers, names and values together"
    )
    webhook_allowed_networks: CommaSeparated[IPv4Network | IPv6Network] = Field(
        (),
        description="Networks that targets may be in beside the internet, comma separated, such as "
        "`10.1.0.0/16`: services of the operator's own",
    )
    webhooks_allow_private: bool = Field(
        False,
        description="For development: also http, and loopback addresses, as targets. Other private "
        "addresses need WEBHOOK_ALLOWED_NETWORKS all the same",
    )
    webhook_secret_overlap: NonNegativeInt = Field(
        24 * 3600, description="Seconds that a secret which was rotated signs beside the new one"
    )
    webhook_cache_seconds: PositiveFloat = Field(
        5.0, description="Seconds that an agent's endpoints are remembered at most"
    )


class LaneSettings(Settings):
    """How much at once, and each account's and endpoint's share of it."""

    webhook_concurrency: PositiveInt = Field(500, description="Attempts at once in one process")
    webhook_account_concurrency: PositiveInt = Field(
        250, description="Of these, most to all endpoints of one account"
    )
    webhook_endpoint_concurrency: PositiveInt = Field(
        10, description="Attempts at once to one endpoint in one process"
    )
    webhook_endpoint_waiting: PositiveInt = Field(
        200,
        description="Deliveries that one process lets wait for a busy endpoint; others go back to "
        "their queue for some seconds",
    )
    webhook_waiting: PositiveInt = Field(
        2000, description="Deliveries that one process lets wait for all busy endpoints together"
    )
    webhook_account_waiting: PositiveInt = Field(1000, description="Of these, most of one account")
    webhook_lookups: PositiveInt = Field(
        64, description="Host names that one process looks up at once"
    )
    webhook_lookups_per_account: PositiveInt = Field(
        8, description="Of these, most for one account: a name server may never answer"
    )


class LogSettings(Settings):
    """The log of deliveries."""

    webhook_log_days: PositiveFloat = Field(
        30.0, description="Days that the log keeps a delivery, with its body and attempts"
    )
    webhook_log_attempts: PositiveInt = Field(
        50, le=100, description="Attempts that the log keeps of one delivery, the newest ones"
    )
    webhook_response_bytes: NonNegativeInt = Field(
        1024, le=4096, description="Bytes of an endpoint's answer that the log keeps, if text"
    )


class WebhooksSettings(DeliverySettings, EndpointSettings, LaneSettings, LogSettings):
    """All settings of webhooks."""
