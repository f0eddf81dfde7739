"""Settings of `alonchat up`: what to run here, and what runs elsewhere."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.runtime.settings import STACK_FILE, SettingsError


class StackSettings(BaseSettings):
    """Read from the environment only: the stack file is what `up` writes itself."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(8000, ge=1, le=65535, description="Port to listen on")
    data_dir: Path = Field(Path(".data"), description="Where everything embedded keeps its state")
    nats_url: str = Field("", description="Use this NATS instead of the embedded one")
    mongo_url: str = Field("", description="Use this MongoDB instead of the embedded one")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "warning", description="Least severe log events that the services write"
    )
    webhooks_allow_private: bool = Field(
        True, description="Deliver webhooks to this machine too, and by http"
    )
    crawl_private_networks: str = Field(
        "127.0.0.0/8,::1/128",
        description="Networks beside the internet whose websites may be read: this machine",
    )
    drain_timeout: float = Field(
        5.0, ge=0, description="Seconds that open answers get to finish when the stack stops"
    )

    @classmethod
    def load(cls) -> Self:
        """Read the environment. Raises SettingsError naming what is wrong."""
        try:
            return cls()  # type: ignore[call-arg]  # the fields come from the environment
        except ValidationError as error:
            problems = error.errors(include_url=False)
            raise SettingsError(
                "; ".join(f"{str(one['loc'][0]).upper()}: {one['msg']}" for one in problems)
            ) from error

    @property
    def stack_file(self) -> Path:
        """Where the addresses of a running stack are."""
        return self.data_dir / STACK_FILE

    @property
    def demo_file(self) -> Path:
        """Where the demo's ids and keys are, once it is complete."""
        return self.data_dir / "demo.env"

    @property
    def url(self) -> str:
        """Where a client on this machine reaches the API."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104  # not listened on
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"
